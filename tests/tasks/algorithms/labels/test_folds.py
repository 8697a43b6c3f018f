import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.folds import assign_folds, cross_fit, labelled_rows
from windrow.tasks.algorithms.labels.makers.knn_vote import knn_vote
from windrow.tasks.algorithms.labels.probabilities import ensemble, normalise_rows

FEW = settings(max_examples=40, deadline=None)
LABELS = st.lists(st.integers(-1, 4), min_size=1, max_size=40).map(lambda values: np.array(values, dtype=np.int64))


@FEW
@given(LABELS, st.integers(2, 7), st.integers(0, 99))
def test_folds_are_stratified_and_the_same_for_a_seed(labels, n_folds, seed):
    folds = assign_folds(labels, n_folds, seed)
    np.testing.assert_array_equal(folds, assign_folds(labels, n_folds, seed))
    np.testing.assert_array_equal(folds == -1, labels == -1)
    for rows in [labels >= 0, *(labels == label for label in range(5))]:
        sizes = np.bincount(folds[rows], minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1


@FEW
@given(LABELS.filter(lambda labels: (labels >= 0).sum() >= 2), st.integers(2, 7))
def test_cross_fitting_never_shows_a_maker_the_label_it_is_asked_for(labels, n_folds):
    asked = []

    def remember(training, rows):
        assert np.all(training[rows] == -1)
        assert np.all((training == labels) | (training == -1)) and np.any(training >= 0)
        asked.extend(rows)
        return np.eye(5, dtype=np.float32)[labels[rows]]

    probabilities = cross_fit(remember, labels, 5, n_folds)
    rows = np.flatnonzero(labels >= 0)
    assert sorted(asked) == rows.tolist()
    np.testing.assert_array_equal(probabilities, np.eye(5)[labels[rows]])


def test_leaving_each_row_out_is_the_vote_that_leaves_it_out_anyway():
    rng = np.random.default_rng(0)
    pool, labels = rng.standard_normal((12, 4)), rng.integers(3, size=12)
    labels[3] = -1
    out = cross_fit(lambda left, rows: knn_vote(pool, left, 3, k=3, class_balanced=False, rows=rows), labels, 3, 11)
    np.testing.assert_array_equal(out, knn_vote(pool, labels, 3, k=3, class_balanced=False)[labels >= 0])


def test_the_arithmetic_mean_follows_one_sure_maker_and_the_geometric_mean_agreement():
    sure, unsure = np.array([[1, 0]], np.float32), np.array([[0.2, 0.8]], np.float32)
    np.testing.assert_allclose(ensemble([sure, unsure]), [[0.6, 0.4]], atol=1e-6)
    np.testing.assert_allclose(ensemble([sure, unsure], [3, 1]), [[0.8, 0.2]], atol=1e-6)
    np.testing.assert_allclose(
        ensemble([np.array([[0.5, 0.5]], np.float32), unsure], mean="geometric"), [[1 / 3, 2 / 3]], atol=1e-6
    )
    vetoed = ensemble([sure, np.array([[0, 1]], np.float32)], mean="geometric")
    np.testing.assert_allclose(vetoed, [[0.5, 0.5]], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from(["arithmetic", "geometric"]), st.integers(1, 4))
def test_an_ensemble_is_a_distribution_and_of_one_opinion_that_opinion(seed, mean, n_members):
    rng = np.random.default_rng(seed)
    members = [normalise_rows(rng.random((9, 4))) for _ in range(n_members)]
    np.testing.assert_allclose(ensemble(members, mean=mean).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(ensemble([members[0]] * 3, mean=mean), members[0], atol=1e-6)
    np.testing.assert_allclose(ensemble(members, mean=mean), ensemble(members[::-1], mean=mean), atol=1e-6)


def test_rows_of_zeros_become_uniform():
    np.testing.assert_allclose(normalise_rows(np.array([[0.0, 0.0], [1.0, 3.0]])), [[0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labelled_rows(np.array([0, 3]), 3), "labels must be from -1 to 2, got 0 to 3"),
        (lambda: labelled_rows(np.array([-1]), 3), "at least one label"),
        (lambda: labelled_rows(np.array([0.0]), 3), "labels must be int64"),
        (lambda: labelled_rows(np.array([0]), 0), "n_classes must be positive"),
        (lambda: cross_fit(lambda _, rows: rows, np.array([0, 1]), 2, 1), "n_folds must be at least 2, got 1"),
        (lambda: cross_fit(lambda _, rows: rows, np.array([0, -1]), 2), "at least two labels"),
        (lambda: ensemble([]), "one or more arrays"),
        (lambda: ensemble([np.ones((1, 2)), np.ones((2, 1))]), "of one shape"),
        (lambda: ensemble([np.ones((1, 2))], [0.0]), "weights must be 1 numbers"),
        (lambda: ensemble([np.ones((1, 2))], mean="harmonic"), "mean must be"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
