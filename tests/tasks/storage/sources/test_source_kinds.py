"""Samples are read again from where they were seen, in any order, and checked."""

import io
import os
import random
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.schemas import OCCURRENCES
from windrow.tasks.storage.sources import sample_bytes
from windrow.tasks.storage.sources import source as kinds
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of


def fill(put: Any) -> None:
    """Some of every kind, through `put(name, bytes)`: 6 loose files, a tar of 20, 30 Parquet rows in groups of 7."""
    for n in range(6):
        put(f"loose/{n}.JPG", b"loose %d" % n)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n in range(20):
            info = tarfile.TarInfo(f"{n:02d}.jpg")
            info.size = len(b"tar %d" % n)
            tar.addfile(info, io.BytesIO(b"tar %d" % n))
    put("b/t.tar", out.getvalue())
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [b"row %d" % n for n in range(30)]}), out, row_group_size=7)
    put("p.parquet", out.getvalue())


def put_in(folder: Path) -> Any:
    def put(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return put


def occurrences_of(source: str) -> tuple[pa.Table, list[bytes]]:
    """Rows as ingest writes them (the columns that reading needs), and the bytes that they stand for."""
    rows, data = [], []
    for shard in plan_shards([source]):
        for found in iterate_shard(shard, IngestConfig()):
            assert found.data is not None
            place = {"source_uri": shard.source_uri, "kind": shard.kind, "shard": shard.shard}
            values = {key: getattr(found, key) for key in ("position", "key", "byte_offset", "byte_length")}
            values |= {"copy": None, "members": [vars(member) for member in found.members] or None}
            rows.append({"sample_id": sample_id_of(found.data), **place, **values})
            data.append(found.data)
    schema = pa.schema([OCCURRENCES.schema().field(name) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema), data


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, list[bytes]]:
    folder = tmp_path_factory.mktemp("pool")
    fill(put_in(folder))
    return occurrences_of(str(folder))


def test_every_occurrence_of_every_kind_is_read_again(pool: tuple[pa.Table, list[bytes]]) -> None:
    rows, data = pool
    assert len(data) == 56
    assert list(read_samples(rows)) == list(zip(rows["sample_id"].to_pylist(), data, strict=True))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 400), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_samples_come_in_the_order_of_the_rows_whatever_the_windows(
    pool: tuple[pa.Table, list[bytes]], seed: int, n: int, window_bytes: int, window_rows: int
) -> None:
    rows, data = pool
    order = random.Random(seed).choices(range(len(data)), k=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_bytes, "WINDOW_BYTES", window_bytes)
        patch.setattr(sample_bytes, "WINDOW_ROWS", window_rows)
        patch.setattr(kinds, "OPEN_FILES", 1)
        assert [one for _, one in read_samples(rows.take(order))] == [data[i] for i in order]


def test_samples_are_read_from_remote_stores_and_single_files_and_globs(tmp_path: Path) -> None:
    fill(put_in(tmp_path))
    memory = fsspec.filesystem("memory")
    fill(lambda name, data: memory.pipe(f"/read/pool/{name}", data))
    for end, n in [("", 56), ("/b/t.tar", 20), ("/p.parquet", 30), ("/loose/*.JPG", 6), ("/**/*.tar", 20)]:
        for source in (f"{tmp_path}{end}", f"memory://read/pool{end}"):
            rows, data = occurrences_of(source)
            assert len(data) == n
            assert [one for _, one in read_samples(rows)] == data


def test_samples_that_are_not_there_any_more_say_why(tmp_path: Path) -> None:
    fill(put_in(tmp_path))
    rows, data = occurrences_of(str(tmp_path))
    (tmp_path / "loose/0.JPG").unlink()
    (tmp_path / "loose/1.JPG").write_bytes(b"other")
    (tmp_path / "loose/2.JPG").write_bytes(b"loose 2 and more")
    os.truncate(tmp_path / "b/t.tar", 5000)
    pq.write_table(pa.table({"image": [b"row 0", b"new"]}), tmp_path / "p.parquet")
    read = dict(zip(data, (one for _, one in read_samples(rows)), strict=True))
    changed = SampleGone("changed since it was ingested")
    assert read[b"loose 0"] == SampleGone("file is gone")
    assert read[b"loose 1"] == read[b"loose 2"] == changed
    assert [n for n in range(20) if read[b"tar %d" % n] == b"tar %d" % n] == [0, 1, 2, 3, 4]
    assert read[b"tar 19"] == changed
    assert read[b"row 0"] == b"row 0"
    assert {read[b"row %d" % n] for n in range(1, 30)} == {changed}
    for name in ("b/t.tar", "p.parquet"):
        (tmp_path / name).unlink()
    read = dict(zip(data, (one for _, one in read_samples(rows)), strict=True))
    assert read[b"tar 0"] == read[b"row 0"] == SampleGone("file is gone")


def test_rows_that_were_never_read_are_refused(pool: tuple[pa.Table, list[bytes]]) -> None:
    rows, _ = pool
    with pytest.raises(ValueError, match="column 'key' is missing"):
        read_samples(rows.drop_columns("key"))
    with pytest.raises(ValueError, match="1 rows have no sample_id"):
        read_samples(rows.slice(0, 1).set_column(0, "sample_id", pa.array([None], pa.string())))


def test_no_rows_are_no_samples(pool: tuple[pa.Table, list[bytes]]) -> None:
    assert list(read_samples(pool[0].slice(0, 0))) == []


def test_only_a_few_files_stay_open(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.tar").write_bytes(b"")
        with tarfile.open(tmp_path / f"{n}.tar", "w") as tar:
            info = tarfile.TarInfo("a.jpg")
            info.size = 2
            tar.addfile(info, io.BytesIO(b"%02d" % n))
    rows, data = occurrences_of(str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    reading = read_samples(rows)
    assert next(reading)[1] == data[0]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + kinds.OPEN_FILES
    reading.close()  # type: ignore[attr-defined]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
