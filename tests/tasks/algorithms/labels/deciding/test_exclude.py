import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import holds

from windrow.tasks.algorithms.labels.deciding.exclude import exclude_classes


def distributions(seed, n=40, n_classes=5):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=n).astype(np.float32)


def brute_force(row, threshold):
    order = sorted(range(len(row)), key=lambda c: (-row[c], c))
    for left_out in range(len(row)):
        kept = [order[0], *order[1 + left_out :]]
        limit = float(np.float32(threshold))
        if float(row[order[0]]) * (1 - limit) >= limit * sum(float(row[c]) for c in reversed(kept[1:])):
            return sorted(order[1 : 1 + left_out]), row[order[0]] / sum(float(row[c]) for c in kept)
    raise AssertionError


def test_four_points_by_hand():
    rows = [[0.96, 0.02, 0.01, 0.01], [0.1, 0.3, 0.58, 0.02], [0.25, 0.25, 0.25, 0.25], [0.5, 0.4, 0.05, 0.05]]
    found = exclude_classes(np.array(rows, np.float32), 0.8)
    assert found.label.tolist() == [0, 2, 0, 0]
    # 0.58 of 0.7 is sure without class 1; 0.25 of what is left only alone; 0.5 of 0.6 without class 1.
    assert [found.excluded[i].tolist() for i in range(4)] == [[], [1], [1, 2, 3], [1]]
    np.testing.assert_allclose(found.shrunk_confidence, [0.96, 0.58 / 0.7, 1, 0.5 / 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.weight, [1, 0.58 / 4, 0.25 / 4, 0.5 / 4], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1))
def test_the_fewest_are_left_out_and_the_rest_is_sure(seed, threshold):
    rows = distributions(seed)
    found = exclude_classes(rows, threshold)
    for i, row in enumerate(rows):
        expected, confidence = brute_force(row, threshold)
        assert found.excluded[i].tolist() == expected
        assert found.shrunk_confidence[i] == pytest.approx(confidence, rel=1e-5)
    assert np.all(found.shrunk_confidence >= np.float32(threshold) - 1e-6)
    assert not np.any(holds(found.excluded, found.label))


def test_permuting_the_pool_permutes_the_answer_and_nothing_is_answered_for_nothing():
    rows, order = distributions(3), np.random.default_rng(0).permutation(40)
    plain, permuted = exclude_classes(rows), exclude_classes(rows[order])
    np.testing.assert_array_equal(permuted.weight, plain.weight[order])
    assert [permuted.excluded[i].tolist() for i in range(40)] == [plain.excluded[i].tolist() for i in order]
    assert len(exclude_classes(rows[:0]).excluded) == 0


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="threshold must be above 0 and at most 1, got 0"):
        exclude_classes(distributions(0), 0)
    with pytest.raises(ValueError, match="probabilities must have shape"):
        exclude_classes(np.zeros(3, np.float32))
