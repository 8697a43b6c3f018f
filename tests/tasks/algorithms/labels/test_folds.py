import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.folds import assign_folds, cross_fit, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.knn_vote import KnnVote

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
    vote = KnnVote(k=3, class_balanced=False).fit(LabelPool(pool, 3))
    np.testing.assert_array_equal(cross_fit(vote, labels, 3, 11), vote(labels, np.flatnonzero(labels >= 0)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labelled_rows(np.array([0, 3]), 3), "labels must be from -1 to 2, got 0 to 3"),
        (lambda: labelled_rows(np.array([-1]), 3), "at least one label"),
        (lambda: labelled_rows(np.array([0.0]), 3), "labels must be int64"),
        (lambda: labelled_rows(np.array([0]), 0), "n_classes must be positive"),
        (lambda: cross_fit(lambda _, rows: rows, np.array([0, 1]), 2, 1), "n_folds must be at least 2, got 1"),
        (lambda: cross_fit(lambda _, rows: rows, np.array([0, -1]), 2), "at least two labels"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
