"""A pool that was read last is there for the next who wants it, and is never another's."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_features import ids, write_features

from windrow.schemas import EMBEDDINGS
from windrow.tasks.storage import memory_budget
from windrow.tasks.storage.files.whole_or_absent import sweep
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.pool import _mapped, _read, read_pool


@pytest.fixture
def features(tmp_path: Path) -> list[Output]:
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float16)
    names = ids(40)
    return [open_output(tmp_path / write_features(tmp_path, names[a:b], vectors[a:b])) for a, b in ((0, 25), (25, 40))]


def test_the_same_files_are_read_once_and_nobody_writes_to_what_others_have(features: list[Output]) -> None:
    first = read_pool(features)
    assert read_pool(features) is first
    with pytest.raises(ValueError, match="read-only"):
        first.embeddings[0] = 0


def test_other_files_are_another_pool(features: list[Output]) -> None:
    both, one = read_pool(features), read_pool(features[:1])
    assert (len(both.sample_ids), len(one.sample_ids)) == (40, 25)
    assert read_pool(features) is not both
    assert read_pool(features).embeddings.tolist() == both.embeddings.tolist()


def test_a_file_that_was_damaged_since_is_not_taken_for_whole(features: list[Output]) -> None:
    read_pool(features)
    path = features[0].table_path(EMBEDDINGS)
    bad = path.with_suffix(".bad")
    bad.write_bytes(path.read_bytes()[:-40])
    bad.replace(path)
    with pytest.raises(ValueError, match="embeddings"):
        read_pool(features)


def test_what_would_fill_the_memory_is_the_same_in_a_file_that_goes_with_the_array(
    features: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = features[0].path.parent
    held = read_pool([*features, features[0]])
    monkeypatch.setattr(memory_budget, "_told", 16)
    mapped = read_pool(features)
    assert mapped.sample_ids.equals(held.sample_ids)
    assert mapped.embeddings.dtype == np.float16
    assert np.array_equal(mapped.embeddings, held.embeddings)
    with pytest.raises(ValueError, match="read-only"):
        mapped.embeddings[0] = 0
    assert [file.name for file in folder.glob(".tmp-*/*")] == ["vectors"]
    sweep(folder)
    other = read_pool(features)
    assert len(list(folder.glob(".tmp-*/vectors"))) == 2
    row = mapped.embeddings[3:4]
    del mapped, other
    assert len(list(folder.glob(".tmp-*/vectors"))) == 1
    assert np.array_equal(row, held.embeddings[3:4])
    del row
    assert not list(folder.glob(".tmp-*"))


def test_a_large_pool_of_a_store_that_nobody_may_write_to_is_read(
    features: list[Output], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Root may write whatever a folder's mode says, so the answer of a read-only file system is put in its place."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    foreign = elsewhere / ".tmp-of-another-program"
    foreign.mkdir()
    held = read_pool(features)
    monkeypatch.setattr(memory_budget, "_told", 16)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    allowed = os.access
    beside = features[0].path.parent
    monkeypatch.setattr(os, "access", lambda path, mode: path != beside and allowed(path, mode))
    mapped = read_pool(features)
    assert np.array_equal(mapped.embeddings, held.embeddings)
    assert not list(beside.glob(".tmp-*"))
    assert list(elsewhere.glob("windrow-pools-*/.tmp-*/vectors"))
    assert foreign.exists()


@given(cuts=st.lists(st.integers(0, 30), max_size=4), failed=st.floats(0, 1), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_pools_of_any_shards_are_the_same_in_memory_and_in_files(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], failed: float, seed: int
) -> None:
    """With shards of no samples, with samples that lie in several, and with some that have no embedding."""
    store = tmp_path_factory.mktemp("store")
    names, rng = ids(30), np.random.default_rng(seed)
    vectors = rng.normal(size=(len(cuts) + 1, 30, 3)).astype(np.float16)  # of a shard each: the first counts
    rows = [np.sort(rng.choice(30, size=n, replace=False)) for n in [5, *cuts]]
    bad = [np.flatnonzero(rng.random(len(part)) < failed).tolist() for part in rows]
    parts = zip(rows, bad, strict=True)
    shards = [
        write_features(store, [names[row] for row in part], own[part], no)
        for own, (part, no) in zip(vectors, parts, strict=True)
    ]
    outputs = [open_output(store / path) for path in shards]
    held, mapped = _read([output.table_path(EMBEDDINGS) for output in outputs]), _mapped(outputs)
    assert mapped.sample_ids.equals(held.sample_ids)
    assert np.array_equal(mapped.embeddings, held.embeddings)
