"""Near hashes: a brute-force twin over random and clustered ones, and groups that no order of rows changes."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors import hash_neighbors
from windrow.tasks.algorithms.neighbors.hash_neighbors import hash_groups

Hashes = npt.NDArray[np.int64]


def clustered(seed: int, n: int, n_clusters: int, n_flips: int) -> Hashes:
    """Copies of few hashes, in each of which up to n_flips bits are turned; many are equal."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**64, n_clusters, dtype=np.uint64)[rng.integers(0, n_clusters, n)]
    for _ in range(n_flips):
        values ^= np.where(rng.random(n) < 0.7, np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64), np.uint64(0))
    return values.view(np.int64)


def all_pairs(hashes: Hashes, max_distance: int) -> list[tuple[int, int, int]]:
    distance = np.bitwise_count(hashes.view(np.uint64)[:, None] ^ hashes.view(np.uint64))
    left, right = np.nonzero(np.triu(distance <= max_distance, 1))
    return list(zip(left.tolist(), right.tolist(), distance[left, right].tolist(), strict=True))


def groups_by_walking(n: int, pairs: list[tuple[int, int, int]]) -> list[int]:
    near: list[list[int]] = [[] for _ in range(n)]
    for left, right, _ in pairs:
        near[left].append(right)
        near[right].append(left)
    group = [-1] * n
    for start in range(n):
        todo = [start]
        while todo:
            row = todo.pop()
            if group[row] < 0:
                group[row] = start
                todo += near[row]
    return group


HASHES = st.builds(
    clustered, st.integers(0, 2**32), st.integers(1, 120), st.sampled_from([1, 3, 30, 10**6]), st.integers(0, 9)
)


@given(HASHES, st.integers(0, 16), st.integers(1, 4))
@settings(max_examples=120, deadline=None)
def test_groups_are_those_of_comparing_all(hashes: Hashes, max_distance: int, shared: int) -> None:
    if max_distance + shared > 12:
        shared = 1  # thousands of choices of blocks for a hundred hashes
    expected = all_pairs(hashes, max_distance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_neighbors, "_shared_blocks", lambda _n, _distance: shared)
        patch.setattr(hash_neighbors, "PAIRS_AT_ONCE", 7)
        groups = hash_groups(hashes, max_distance)
    assert groups.tolist() == groups_by_walking(len(hashes), expected)


@given(HASHES, st.integers(0, 10), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_changes_no_group(hashes: Hashes, max_distance: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(hashes))
    before, after = hash_groups(hashes, max_distance), hash_groups(hashes[order], max_distance)
    together = before[order][:, None] == before[order]
    assert np.array_equal(together, after[:, None] == after)


def test_a_chain_joins_what_is_far_apart() -> None:
    hashes = np.array([0, 0b1111, 0b11, -1, 0], np.int64)
    assert hash_groups(hashes, 2).tolist() == [0, 0, 0, 3, 0]
    assert hash_groups(hashes, 1).tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_no_hashes_make_no_groups(dtype: type) -> None:
    assert len(hash_groups(np.empty(0, dtype), 6)) == 0


def test_a_hundred_thousand_equal_hashes_cost_no_pairs() -> None:
    hashes = np.repeat(clustered(1, 300, 10**6, 0), 400)
    assert np.array_equal(np.unique(hash_groups(hashes, 6), return_counts=True)[1], np.full(300, 400))


def test_many_hashes_are_searched_by_several_blocks_and_every_planted_pair_is_found() -> None:
    hashes = np.random.default_rng(5).integers(0, 2**64, 100_000, dtype=np.uint64)
    hashes[50_000:50_500] = hashes[:500] ^ np.uint64(0b1001 << 60 | 0b11 << 30 | 0b101)
    groups = hash_groups(hashes, 6)
    assert hash_neighbors._shared_blocks(100_000, 6) > 1
    assert np.array_equal(groups[:500], groups[50_000:50_500])


@pytest.mark.parametrize(
    ("hashes", "max_distance", "message"),
    [
        (np.zeros(3), 2, "hashes: expected int64 or uint64"),
        (np.zeros((3, 1), np.int64), 2, "hashes: expected"),
        (np.zeros(3, np.int64), -1, "max_distance: expected 0 to 16 bits, got -1"),
        (np.zeros(3, np.int64), 17, "max_distance: .* got 17"),
    ],
)
def test_a_bad_call_is_refused(hashes: npt.NDArray[np.int64], max_distance: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hash_groups(hashes, max_distance)
