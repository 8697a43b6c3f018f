import numpy as np
import pytest
from noisy_labels import below, f1, noisy_blobs

from windrow.tasks.algorithms.labels.checks.label_quality import (
    LabelQualityConfig,
    combined_score,
    doubted_labels,
    label_quality,
)
from windrow.tasks.algorithms.labels.judging.judged_labels import probe_out_of_sample
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

CONFIG = LabelQualityConfig(l2=0.01, k=20)


@pytest.mark.parametrize(("rate", "pair"), [(0.2, False), (0.4, False), (0.4, True)])
def test_wrong_labels_are_found_without_a_threshold(rate, pair):
    pool, labels, truth = noisy_blobs(900, rate=rate, pair=pair)
    found = label_quality(pool, labels, 3, CONFIG)
    assert below(found.judgement.score, labels != truth) > 0.95
    assert f1(found.judgement.noisy, labels != truth) > 0.9
    assert abs(found.judgement.noisy.mean() - rate) < 0.1
    assert (found.predictions.classes[:, 0] == truth).mean() > 0.95
    assert found.judgement.score.dtype == np.float32


def test_clean_labels_are_almost_all_left_alone():
    pool, labels, _ = noisy_blobs(rate=0)
    assert label_quality(pool, labels, 3, CONFIG).judgement.noisy.mean() < 0.05


def test_what_is_given_is_not_made_anew_and_changes_nothing():
    pool, labels, _ = noisy_blobs()
    own = label_quality(pool, labels, 3, CONFIG).judgement
    given = label_quality(
        pool, labels, 3, CONFIG, neighbor_graph(pool, 20), probe_out_of_sample(pool, labels, 3, 0.01)
    ).judgement
    np.testing.assert_array_equal(own.score, given.score)
    np.testing.assert_array_equal(own.noisy, given.noisy)


def test_the_score_of_two_samples_worked_by_hand():
    first = SparseProbabilities.of(np.array([[0.9, 0.1], [0.9, 0.1]], np.float32), 2)
    last = SparseProbabilities.of(np.array([[1.0, 0.0], [1.0, 0.0]], np.float32), 2)
    shares = np.array([0.75, 0.25]), np.array([0.25, 0.75])
    score = combined_score(np.array([1.0, 0.0]), first, last, shares, np.array([0, 1]))
    np.testing.assert_allclose(score, [0.8 + 0.75, -0.8 - 0.25 + 0.2 * np.log(1e-4)], rtol=1e-6)


def test_doubt_leaves_each_class_its_most_probable_labels():
    posterior = np.array([0.1, 0.2, 0.9, 0.3, 0.2, 0.1])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert doubted_labels(posterior, labels, 1).tolist() == [True, True, False, False, True, True]
    assert doubted_labels(posterior, labels, 2).tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LabelQualityConfig(l2=0), "l2: wants more than 0, got 0"),
        (lambda: LabelQualityConfig(n_folds=1), "n_folds: wants 2 or more, got 1"),
        (lambda: LabelQualityConfig(n_rounds=0), "n_rounds: wants 1 or more, got 0"),
        (lambda: label_quality(np.ones((2, 2)), np.array([0, -1]), 2), "labels must be from 0 to 1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
