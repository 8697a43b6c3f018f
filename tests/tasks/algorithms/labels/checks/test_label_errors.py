import numpy as np
import pytest
from noisy_labels import f1, noisy_blobs

from windrow.tasks.algorithms.labels.checks.label_errors import find_label_errors
from windrow.tasks.algorithms.labels.checks.label_quality import label_quality

NAMES = np.array(["ant", "bee", "cat"])


def test_wrong_labels_are_found_by_the_default_check_and_named() -> None:
    pool, labels, truth = noisy_blobs()
    found, own = find_label_errors(pool, NAMES[labels]), label_quality(pool, labels, 3)
    assert found.is_error.tolist() == own.judgement.noisy.tolist()
    assert found.quality.tolist() == own.judgement.score.tolist()
    assert f1(found.is_error, labels != truth) > 0.9
    assert (found.suggested[found.is_error] == NAMES[truth][found.is_error]).mean() > 0.9
    worst = found.worst
    assert sorted(worst.tolist()) == np.flatnonzero(found.is_error).tolist()
    assert (np.diff(found.quality[worst]) >= 0).all()


def test_a_sample_without_a_label_is_not_looked_at_and_changes_nothing() -> None:
    pool, labels, _ = noisy_blobs()
    more = np.concatenate([pool[:1] * 3, pool, pool[:2]])
    given = [None, *NAMES[labels].tolist(), None, ""]
    found, own = find_label_errors(more, given), find_label_errors(pool, NAMES[labels])
    assert found.is_error[1:-2].tolist() == own.is_error.tolist()
    assert found.quality[1:-2].tolist() == own.quality.tolist()
    assert not found.is_error[[0, -2, -1]].any() and np.isnan(found.quality[[0, -2, -1]]).all()
    assert found.suggested[[0, -2, -1]].tolist() == [None, None, None]


def test_probabilities_of_a_model_of_ones_own_need_no_embeddings() -> None:
    probabilities = np.tile([[0.9, 0.1]], (10, 1))
    probabilities[5:] = [0.2, 0.8]
    found = find_label_errors(None, [1, 0, 0, 0, 0, 1, 1, 1, 1, -1], probabilities=probabilities.tolist())
    assert found.worst.tolist() == [0]
    assert found.suggested.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, None]
    assert found.quality[0] == pytest.approx(0.1)


def test_with_both_the_probabilities_are_the_first_opinion() -> None:
    pool, labels, truth = noisy_blobs()
    sure = np.eye(3)[truth] * 0.94 + 0.02
    found = find_label_errors(pool, labels, probabilities=sure)
    assert found.is_error.tolist() == (labels != truth).tolist()


@pytest.mark.parametrize(
    ("embeddings", "probabilities", "message"),
    [
        (None, None, "embeddings: expected embeddings, or probabilities in their place, got neither"),
        (np.eye(3), None, "labels: expected one for each of 3 samples"),
        (None, np.eye(4), r"probabilities: expected shape \(4, 2\), one a class, got \(4, 4\)"),
        (np.eye(4), np.eye(4)[:3, :2], r"probabilities: expected shape \(4, 2\), one a class, got \(3, 2\)"),
        (None, np.full((4, 2), -0.5), "probabilities: expected finite numbers of at least 0"),
        (None, np.full((4, 2), np.nan), "probabilities: expected finite numbers of at least 0"),
    ],
)
def test_bad_calls_are_refused(embeddings: object, probabilities: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_label_errors(embeddings, ["a", "b", "a", "b"], probabilities=probabilities)
