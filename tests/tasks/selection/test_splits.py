"""Groups stay together, and stay where they were."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.selection.selection_config import Split
from windrow.tasks.selection.splits import assign_splits, group_samples


def ids(n: int) -> pa.Array:
    return pa.array([f"{i:032x}" for i in range(n)], pa.string())


def test_a_chain_of_pairs_and_names_is_one_group_named_by_its_lowest_id() -> None:
    groups = group_samples(ids(6), np.array([[0, 1], [4, 5]]), [None, "g", "g", None, None, None])
    assert [int(group, 16) for group in groups.to_pylist()] == [0, 0, 0, 3, 4, 4]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=25), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_no_pair_is_ever_split(pairs: list[tuple[int, int]], seed: int) -> None:
    groups = group_samples(ids(20), np.array(pairs).reshape(-1, 2), [None] * 20)
    splits = assign_splits(groups, (Split("train", 0.7), Split("val", 0.3)), seed).to_pylist()
    assert all(splits[a] == splits[b] for a, b in pairs)


def test_shares_are_kept_and_another_seed_splits_otherwise() -> None:
    import hashlib

    groups = pa.array(sorted(hashlib.sha256(bytes([i % 256, i // 256])).hexdigest()[:32] for i in range(4000)))
    wanted = (Split("train", 0.8), Split("val", 0.15), Split("test", 0.05))
    splits = np.array(assign_splits(groups, wanted, 0).to_pylist())
    # four standard deviations of a binomial share
    for split in wanted:
        assert abs((splits == split.name).mean() - split.share) < 4 * np.sqrt(split.share * (1 - split.share) / 4000)
    assert (splits != np.array(assign_splits(groups, wanted, 1).to_pylist())).mean() > 0.2


def test_a_group_stays_where_it_was_as_the_pool_grows() -> None:
    wanted = (Split("train", 0.5), Split("val", 0.5))
    few, many = assign_splits(ids(50), wanted, 3), assign_splits(ids(100), wanted, 3)
    assert few.to_pylist() == many.to_pylist()[:50]


@pytest.mark.parametrize(("name", "share"), [("", 0.5), ("train", 0.0), ("train", 1.5)])
def test_a_split_wants_a_name_and_a_share(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=r"name: wants something|share: wants"):
        Split(name, share)
