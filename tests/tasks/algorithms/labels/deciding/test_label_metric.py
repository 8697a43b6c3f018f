import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.label_metric import LabelMetric, nearest_labels

FEW = settings(max_examples=30, deadline=None)


def metric_of(points):
    return LabelMetric(np.abs(np.subtract.outer(points, points)).astype(np.float64))


def line(n):
    return metric_of(np.arange(n))


def random_shares(seed, n=30, n_classes=6):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=n).astype(np.float32)


def test_on_a_line_a_sample_at_either_end_is_given_the_middle():
    decided = nearest_labels(np.array([[0.5, 0, 0.5], [0.9, 0, 0.1]], np.float32), line(3))
    assert decided.label.tolist() == [1, 0]
    # 0.5 * 1 + 0.5 * 1 against 0.5 * 4 at the ends; 0.1 * 4 against 0.9 * 1 + 0.1 * 1.
    np.testing.assert_allclose(decided.variance, [1, 0.4], atol=1e-6)


def test_a_label_that_no_classifier_knows_can_be_the_answer():
    decided = nearest_labels(np.array([[0.5, 0.5]], np.float32), line(5), observed=np.array([0, 4]))
    assert decided.label.tolist() == [2]


@FEW
@given(st.integers(0, 10_000))
def test_equal_distances_give_the_argmax_and_the_lowest_of_equals(seed):
    metric = LabelMetric(1.0 - np.eye(6))
    shares = random_shares(seed)
    np.testing.assert_array_equal(nearest_labels(shares, metric).label, shares.argmax(axis=1))
    assert nearest_labels(np.full((3, 6), 1 / 6, np.float32), metric).label.tolist() == [0, 0, 0]


@FEW
@given(st.integers(0, 10_000))
def test_no_label_has_a_smaller_expected_square(seed):
    shares, points = random_shares(seed), np.random.default_rng(seed).random(9)
    observed = np.array([0, 3, 8, 1, 2, 7])
    decided = nearest_labels(shares, metric_of(points), observed)
    for i, row in enumerate(shares):
        cost = [sum(p * (points[o] - points[y]) ** 2 for p, o in zip(row, observed, strict=True)) for y in range(9)]
        assert cost[decided.label[i]] <= min(cost) + 1e-6
        assert abs(decided.variance[i] - min(cost)) < 1e-5


@FEW
@given(st.integers(0, 10_000))
def test_permuting_rows_and_stretching_the_distances_change_no_label(seed):
    shares = random_shares(seed, n=9000)
    order = np.random.default_rng(seed).permutation(len(shares))
    plain = nearest_labels(shares, line(6))
    np.testing.assert_array_equal(nearest_labels(shares[order], line(6)).label, plain.label[order])
    stretched = nearest_labels(shares, LabelMetric(8 * line(6).distances))
    np.testing.assert_array_equal(stretched.label, plain.label)
    np.testing.assert_array_equal(stretched.variance, 64 * plain.variance)


def changed(row, column, value):
    distances = line(3).distances.copy()
    distances[row, column] = value
    return distances


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        (np.ones((2, 3)), r"shape \(n_labels, n_labels\), got \(2, 3\)"),
        (changed(0, 1, np.nan), r"finite, \(0, 1\)"),
        (changed(1, 1, 0.5), r"0 to the label itself and positive else, \(1, 1\)"),
        (changed(2, 0, -1.0), r"positive else, \(2, 0\)"),
        (changed(0, 1, 1.5), r"symmetric, \(0, 1\)"),
        (np.array([[0, 1, 5.0], [1, 0, 1], [5, 1, 0]]), r"triangle inequality, \(0, 2\) by 1 is shorter"),
    ],
)
def test_what_is_no_metric_is_refused(distances, message):
    with pytest.raises(ValueError, match=message):
        LabelMetric(distances)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        (np.array([0, 0]), "different labels"),
        (np.array([0, 3]), "observed must be from 0 to 2, got 0 to 3"),
        (None, r"probabilities must have shape \(n, 3\), got \(1, 2\)"),
    ],
)
def test_a_bad_call_names_the_argument(observed, message):
    with pytest.raises(ValueError, match=message):
        nearest_labels(np.array([[0.5, 0.5]], np.float32), line(3), observed)
