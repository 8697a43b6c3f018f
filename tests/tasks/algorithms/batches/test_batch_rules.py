"""Rules of batches, on groups of every shape: what a rule says holds for every batch, and every sample is in one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.algorithms.batches.batch_rules import (
    class_balanced_batches,
    interleaved,
    mixed_batches,
    one_per_group_batches,
    quota_batches,
    same_group_batches,
)
from windrow.tasks.algorithms.batches.sample_order import epoch_generator

groups = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda values: np.array(values, np.int64))
sizes = st.integers(1, 9)
seeds = st.integers(0, 1000)


@given(groups, sizes, seeds)
def test_a_batch_of_one_group_holds_no_other_and_is_full(values: np.ndarray, size: int, seed: int) -> None:
    batches = same_group_batches(values, size, epoch_generator(seed, 0))
    assert all(len(batch) == size and len(set(values[batch])) == 1 for batch in batches)
    assert set(np.concatenate(batches)) == set(range(len(values)))
    assert len(batches) == sum(-(-int(n) // size) for n in np.bincount(values))


@given(groups, sizes, seeds)
def test_no_batch_holds_two_of_a_group_and_every_sample_comes_once(values: np.ndarray, size: int, seed: int) -> None:
    batches = one_per_group_batches(values, size, epoch_generator(seed, 0))
    assert all(len(batch) <= size and len(set(values[batch])) == len(batch) for batch in batches)
    assert sorted(np.concatenate(batches)) == list(range(len(values)))
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert len(batches) == max(np.bincount(values).max(), -(-len(values) // size))  # no rule could do with fewer


@given(groups, st.integers(7, 24), seeds)
def test_every_class_comes_equally_often(values: np.ndarray, size: int, seed: int) -> None:
    batches = class_balanced_batches(values, size, epoch_generator(seed, 0))
    present = np.unique(values)
    counts = np.array([[(values[batch] == group).sum() for group in present] for batch in batches])
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= (0 if size % len(present) == 0 else 2)
    assert all(len(batch) == size for batch in batches)
    assert set(np.concatenate(batches)) == set(range(len(values)))


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(2, 9), seeds, st.data())
def test_a_quota_is_kept_in_every_batch(values: list[bool], size: int, seed: int, data: st.DataObject) -> None:
    is_labelled = np.array([True, False, *values])
    quota = data.draw(st.integers(1, size - 1))
    batches = quota_batches(is_labelled, quota, size, epoch_generator(seed, 0))
    assert all(len(batch) == size and is_labelled[batch].sum() == quota for batch in batches)
    assert set(np.concatenate(batches)) == set(range(len(is_labelled)))


@given(st.integers(1, 100), sizes, seeds)
def test_mixed_batches_hold_every_sample_once(n: int, size: int, seed: int) -> None:
    batches = mixed_batches(n, size, epoch_generator(seed, 0))
    assert sorted(np.concatenate(batches)) == list(range(n)) and all(len(batch) == size for batch in batches[:-1])


def test_a_tenth_of_the_batches_are_of_one_group_and_they_are_strewn() -> None:
    values = np.repeat(np.arange(20), 32)
    draws = epoch_generator(0, 0)
    batches = interleaved(mixed_batches(640, 8, draws), same_group_batches(values, 8, draws), 0.1, draws)
    alike = [len(set(values[batch])) == 1 for batch in batches]
    assert len(batches) == 89 and sum(alike) == 9
    assert all(sum(alike[first : first + 20]) in (1, 2, 3) for first in range(len(alike) - 20))


def test_equal_seeds_give_equal_batches_and_what_cannot_be_kept_is_refused() -> None:
    values = np.arange(40) % 5
    once, again = (one_per_group_batches(values, 4, epoch_generator(3, 0)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    with pytest.raises(ValueError, match="batch_size: wants at least the 5 classes, got 4"):
        class_balanced_batches(values, 4, epoch_generator(0, 0))
    with pytest.raises(ValueError, match="quota: wants 1 to 3, and samples with and without a label, got 4"):
        quota_batches(values > 1, 4, 4, epoch_generator(0, 0))
    with pytest.raises(ValueError, match="share: wants 0 to below 1, got 1"):
        interleaved([], [], 1.0, epoch_generator(0, 0))
