"""The registry gives every sample a dense index, once and for all."""

import threading
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.schemas import REGISTRY
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.store.registry import known_samples, register_samples, registry_files

IDS = st.lists(st.sampled_from([f"{i:032x}" for i in range(30)]), max_size=20)


def indices(store: Path) -> dict[str, int]:
    table = read_table(REGISTRY, registry_files(store))
    return dict(zip(table["sample_id"].to_pylist(), table["sample_index"].to_pylist(), strict=True))


@given(st.lists(IDS, max_size=5))
@settings(max_examples=25, deadline=None)
def test_indices_are_dense_never_change_and_are_never_reused(tmp_path_factory, nights: list[list[str]]) -> None:
    store = tmp_path_factory.mktemp("store")
    before: dict[str, int] = {}
    for ids in nights:
        n_new = register_samples(store, pa.array(ids, pa.string()))
        after = indices(store)
        assert before.items() <= after.items()
        assert n_new == len(set(ids) - set(before))
        assert sorted(after.values()) == list(range(len(after)))
        before = after


def test_new_ids_are_numbered_in_their_own_order_whatever_the_order_they_come_in(tmp_path: Path) -> None:
    register_samples(tmp_path, pa.array(["c", "a", "b", "a"]))
    assert indices(tmp_path) == {"a": 0, "b": 1, "c": 2}


def test_two_that_register_at_once_give_each_sample_one_index(tmp_path: Path) -> None:
    ids = [[f"{i:032x}" for i in range(start, 400, 3)] for start in (0, 1, 2, 0)]
    threads = [threading.Thread(target=register_samples, args=(tmp_path, pa.array(each))) for each in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = indices(tmp_path)
    assert len(found) == 400
    assert sorted(found.values()) == list(range(400))


def test_what_is_known_of_a_few_samples_is_told_from_all_files_and_groups(tmp_path: Path) -> None:
    even, odd = ([f"{n:032x}" for n in range(first, 40_000, 2)] for first in (0, 1))
    assert known_samples(tmp_path, [even[0]]) == set()
    register_samples(tmp_path, pa.array(even))
    register_samples(tmp_path, pa.array(odd[:9]))
    wanted = [even[0], even[8191], even[8192], even[-1], odd[3], odd[9], "z" * 32]
    assert known_samples(tmp_path, wanted) == set(wanted[:5])
    assert known_samples(tmp_path, []) == set()
