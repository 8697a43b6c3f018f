from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.tasks.storage.files.scratch import scratch_files
from windrow.tasks.storage.files.vectors import VectorFile
from windrow.tasks.storage.store import pool_file
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.pool import read_pool
from windrow.tasks.storage.store.pool_file import pool_file as opened
from windrow.tasks.storage.store.pool_file import write_pool


@pytest.mark.parametrize("memory", [2**30, 2000, 1])
def test_a_pool_in_files_is_the_pool_in_memory_whatever_memory_it_has(tmp_path: Path, memory: int):
    names, rng = ids(300), np.random.default_rng(0)
    vectors = rng.normal(size=(300, 5)).astype(np.float16)
    shards = [range(0, 200), range(100, 300, 2), range(101, 300, 2)]  # 100 samples lie in two shards
    paths = [
        write_features(tmp_path, [names[row] for row in rows], vectors[list(rows)], missing=[3] if number == 0 else [])
        for number, rows in enumerate(shards)
    ]
    features = [open_output(tmp_path / path) for path in paths]
    folder = tmp_path / "pool"
    folder.mkdir()
    on_disk = write_pool(features, folder, unit=False, memory=memory)
    in_memory = read_pool(features)
    assert len(on_disk.vectors) == 299
    assert on_disk.sample_ids(slice(0, 299)).to_pylist() == in_memory.sample_ids.to_pylist()
    assert on_disk.sample_ids(slice(7, 9)).to_pylist() == in_memory.sample_ids.to_pylist()[7:9]
    assert np.array_equal(on_disk.vectors[0:299], in_memory.embeddings)
    assert sorted(path.name for path in folder.iterdir()) == ["ids", "vectors"]


@pytest.mark.parametrize(
    ("name", "n_cut"), [("vectors", 100), ("vectors", 600), ("vectors", 1), ("ids", 16), ("ids", 1)]
)
def test_a_pool_whose_files_are_cut_off_is_not_read(tmp_path: Path, name: str, n_cut: int):
    features = [open_output(tmp_path / write_features(tmp_path, ids(300), np.ones((300, 5))))]
    folder = tmp_path / "pool"
    folder.mkdir()
    on_disk = write_pool(features, folder, unit=False, memory=2**20)
    assert opened(folder, 5, unit=False) == on_disk
    os.truncate(folder / name, (folder / name).stat().st_size - n_cut)
    with pytest.raises(OSError, match=r"pool/(vectors|ids) is damaged: it has [\d,]+ bytes instead of"):
        opened(folder, 5, unit=False)


def test_a_pool_of_nothing_is_empty(tmp_path: Path):
    features = [open_output(tmp_path / write_features(tmp_path, ids(2), np.zeros((2, 3)), missing=[0, 1]))]
    (tmp_path / "pool").mkdir()
    assert len(write_pool(features, tmp_path / "pool", unit=True, memory=10).vectors) == 0


def test_the_pool_never_opens_more_files_than_a_process_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool_file, "MOST_BUCKETS", 3)
    features = [open_output(tmp_path / write_features(tmp_path, ids(50), np.ones((50, 3))))]
    (tmp_path / "pool").mkdir()
    on_disk = write_pool(features, tmp_path / "pool", unit=False, memory=1)
    assert on_disk.sample_ids(slice(0, 50)).to_pylist() == ids(50)


def test_vectors_in_a_file_read_like_the_array(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(500, 7)).astype(np.float16)
    (tmp_path / "v").write_bytes(values.tobytes())
    vectors = VectorFile(tmp_path / "v", (500, 7), np.dtype(np.float16))
    for rows in (slice(0, 500), slice(490, 600), slice(5, 5), slice(None), slice(0, 9, 2)):
        assert np.array_equal(vectors[rows], values[rows])
    for picked in ([], [499], [3, 4, 9], [0, 499], [499, 2, 2]):
        assert np.array_equal(vectors[np.array(picked, np.int64)], values[np.array(picked, np.int64)])


def test_unit_vectors_have_length_one_and_zeros_stay(tmp_path: Path):
    values = np.array([[3, 4], [0, 0]], np.float16)
    (tmp_path / "v").write_bytes(values.tobytes())
    vectors = VectorFile(tmp_path / "v", (2, 2), np.dtype(np.float16), unit=True)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[0:2], [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_a_file_that_ends_early_is_an_error_not_numbers(tmp_path: Path):
    (tmp_path / "v").write_bytes(np.zeros((4, 7), np.float16).tobytes())
    vectors = VectorFile(tmp_path / "v", (500, 7), np.dtype(np.float16))
    with pytest.raises(OSError, match="ends before row 500"):
        vectors[0:500]
    with pytest.raises(OSError, match="ends before row 500"):
        vectors[np.array([0, 499])]


def test_scratch_is_in_memory_while_small_and_in_unnamed_files_beyond(tmp_path: Path):
    scratch = scratch_files(tmp_path, 80)
    small, large = scratch((10,), np.float64), scratch((11, 2), np.int32)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    large[:] = 7
    assert (large.shape, int(large.sum())) == ((11, 2), 154)
    assert list(tmp_path.iterdir()) == []
