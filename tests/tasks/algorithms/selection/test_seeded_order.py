import numpy as np
import pytest

from windrow.tasks.algorithms.selection.seeded_order import seeded_order


def test_a_key_has_its_number_in_whatever_company():
    keys = np.random.default_rng(0).permutation(1000)
    numbers = seeded_order(keys, 7)
    np.testing.assert_array_equal(seeded_order(keys[::-3], 7), numbers[::-3])
    np.testing.assert_array_equal(seeded_order(keys.astype(np.uint64), 7), numbers)
    assert len(np.unique(numbers)) == 1000


def test_seeds_give_unrelated_orders_and_the_numbers_are_even():
    keys = np.arange(20_000)
    one, other = seeded_order(keys, 0), seeded_order(keys, 1)
    assert abs(np.corrcoef(one / 2.0**64, other / 2.0**64)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[:-1] / 2.0**64, other[1:] / 2.0**64)[0, 1]) < 0.03
    assert abs((one / 2.0**64).mean() - 0.5) < 0.01 and seeded_order(keys, -1).dtype == np.uint64


def test_keys_must_be_integers():
    with pytest.raises(ValueError, match="keys must be int64 or uint64"):
        seeded_order(np.zeros(3), 0)
