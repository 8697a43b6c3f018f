"""Orders of an epoch: every sample as often as it should come, at every moment of the epoch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.algorithms.batches.rank_batches import count_batches, rank_batches
from windrow.tasks.algorithms.batches.sample_order import (
    epoch_generator,
    grouped_order,
    shuffled_order,
    weighted_order,
    whole_counts,
)

seeds = st.integers(0, 1000)


@given(st.lists(st.integers(0, 12), max_size=8), st.integers(0, 30), seeds)
def test_a_shuffle_holds_every_place_once(sizes: list[int], window: int, seed: int) -> None:
    order = shuffled_order(sizes, window, epoch_generator(seed, 0))
    assert sorted(order) == list(range(sum(sizes)))


def test_a_window_reads_few_shards_at_a_time() -> None:
    sizes = [50] * 40
    order = shuffled_order(sizes, 200, epoch_generator(1, 0))
    shard = order // 50
    assert max(len(set(shard[first : first + 200])) for first in range(0, 2000, 200)) <= 5
    assert len(set(shuffled_order(sizes, 0, epoch_generator(1, 0))[:200] // 50)) > 30


def test_every_order_of_three_is_equally_likely() -> None:
    seen = Counter(tuple(shuffled_order([3], 0, epoch_generator(7, epoch))) for epoch in range(6000))
    assert len(seen) == 6 and all(abs(n - 1000) < 150 for n in seen.values())  # 150 is 5 deviations


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 120), seeds, st.data())
def test_groups_come_by_their_shares_at_every_moment(values: list[int], n: int, seed: int, data: st.DataObject) -> None:
    groups = np.unique(values, return_inverse=True)[1].astype(np.int64)
    n_groups = int(groups.max()) + 1
    shares = np.array(data.draw(st.lists(st.integers(1, 9), min_size=n_groups, max_size=n_groups)))
    order = grouped_order(groups, shares.astype(float), n, epoch_generator(seed, 0))
    assert len(order) == n
    counts = np.cumsum(groups[order][:, None] == np.arange(len(shares)), axis=0)
    wanted = np.arange(1, n + 1)[:, None] * shares / shares.sum()
    assert np.abs(counts[-1] - wanted[-1]).max() < 1
    assert np.abs(counts - wanted).max() < len(shares) + 1
    for group in range(len(shares)):  # every sample comes before any comes again
        times = Counter(order[groups[order] == group].tolist())
        members = int((groups == group).sum())
        assert not times or max(times.values()) - (min(times.values()) if len(times) == members else 0) <= 1


@given(st.lists(st.just(0.0) | st.floats(1e-9, 10), min_size=1, max_size=30), st.integers(1, 200), seeds)
def test_weights_say_how_often_a_sample_comes(values: list[float], n: int, seed: int) -> None:
    weights = np.array(values)
    if not weights.any():
        with pytest.raises(ValueError, match="one of them above 0"):
            weighted_order(weights, n, epoch_generator(seed, 0))
        return
    order = weighted_order(weights, n, epoch_generator(seed, 0))
    counts = np.bincount(order, minlength=len(weights))
    assert len(order) == n and np.abs(counts - n * weights / weights.sum()).max() < 1 + 1e-6
    assert not counts[weights == 0].any()


@given(st.lists(st.floats(0, 5), min_size=1, max_size=9), st.integers(1, 50))
def test_whole_counts_have_the_sum_and_are_the_ones_beside(values: list[float], n: int) -> None:
    if sum(values) < 1e-6:
        return
    wanted = np.array(values) / sum(values) * n
    counts = whole_counts(wanted)
    assert counts.sum() == n and np.abs(counts - wanted).max() < 1 + 1e-6


def test_a_share_without_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match=r"groups \[1\] have a share and no sample"):
        grouped_order(np.array([0, 2]), np.ones(3), 5, epoch_generator(0, 0))


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 6), st.sampled_from(["pad", "drop"]), st.data())
def test_ranks_read_every_place_in_equally_many_batches(
    n: int, batch_size: int, n_ranks: int, last: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, n))
    batches = [
        list(rank_batches(n, batch_size, rank, n_ranks, last, start))  # type: ignore[arg-type]
        for rank in range(n_ranks)
    ]
    assert {len(each) for each in batches} == {count_batches(n, batch_size, n_ranks, last, start)}  # type: ignore[arg-type]
    assert len({tuple(map(len, each)) for each in batches}) == 1
    seen = Counter(int(place) for each in batches for batch in each for place in batch)
    left = n - start
    if last == "pad":
        assert set(range(start, n)) <= set(seen) and sum(seen.values()) - left < n_ranks
    else:
        assert sorted(seen) == list(range(start, n - left % (batch_size * n_ranks))) and set(seen.values()) <= {1}
