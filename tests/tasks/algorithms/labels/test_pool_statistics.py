import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.arrays import BLOCK, row_blocks
from windrow.tasks.algorithms.labels.pool_statistics import check_distribution, mean_prediction, pool_mean


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 200))
def test_the_mean_is_numpys_and_has_the_same_bits_in_any_order(seed, n):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, 3)).astype(np.float32)
    np.testing.assert_allclose(mean_prediction(rows), rows.mean(axis=0, dtype=np.float64), atol=1e-9)
    np.testing.assert_array_equal(mean_prediction(rows[rng.permutation(n)]), mean_prediction(rows))


def test_several_blocks_are_one_pool():
    rows = np.random.default_rng(0).random((2 * BLOCK + 5, 2)).astype(np.float32)
    assert [b.stop - b.start for b in row_blocks(len(rows))] == [BLOCK, BLOCK, 5]
    np.testing.assert_array_equal(mean_prediction(rows[::-1]), mean_prediction(rows))
    np.testing.assert_allclose(mean_prediction(rows), rows.mean(axis=0, dtype=np.float64), atol=1e-9)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="the pool must have from 1"):
        pool_mean(0, lambda rows: np.zeros((rows.stop - rows.start, 2)))
    with pytest.raises(ValueError, match=r"probabilities must have shape \(n, n_classes\)"):
        mean_prediction(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="target must be 2 numbers from 0 that sum to 1"):
        check_distribution("target", np.array([0.7, 0.7]), 2)
