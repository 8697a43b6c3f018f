"""Bytes that are copied into the store: what has no random access, and everything with `ingest.mode: copy`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_export import read_with_webdataset

from windrow.schemas import FORGOTTEN, OCCURRENCES, SAMPLES
from windrow.tasks.ingest.ingestion import COPY, ingest_shards
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.sources import unpacking
from windrow.tasks.storage.sources.sample_bytes import read_members, read_samples
from windrow.tasks.storage.sources.source import SampleBytes, SampleGone
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.refused_samples import add_forgotten, refused_samples
from windrow.tasks.takedown.shard_without import rewrite_shard


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def tar_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


MEMBERS = {
    "a.png": png(1),
    "a.json": b'{"label": "cat", "x": 1}\n',
    "a.mask.npy": b"\0\1\2",
    "b.png": png(2),
    "b.cls": b"3",
    "c.png": b"no picture",
    "d.png": png(1),
}
ZSTD = pa.Codec("zstd")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "tar.gz": gzip.compress,
    "tgz": gzip.compress,
    "tar.zst": lambda data: ZSTD.compress(data, asbytes=True),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar": gzip.compress,  # a name says little
}


def ingest(store: Path, source: Path, **config: Any) -> list[Output]:
    done = ingest_shards(store, plan_shards([str(source)]), IngestConfig(**config))
    return [open_output(store / one.path) for one in done]


def read_back(store: Path, outputs: list[Output]) -> dict[str, SampleBytes | SampleGone]:
    rows = pa.concat_tables([output.read(OCCURRENCES) for output in outputs])
    rows = rows.filter(pa.compute.is_null(rows["unreadable"]))
    return dict(zip(rows["key"].to_pylist(), (found for _, found in read_members(rows, store)), strict=True))


@pytest.mark.parametrize("extension", COMPRESS)
def test_a_compressed_tar_is_unpacked_into_the_store_and_read_from_there(tmp_path: Path, extension: str) -> None:
    source = tmp_path / f"shard.{extension}"
    source.write_bytes(COMPRESS[extension](tar_of(MEMBERS)))
    [output] = ingest(tmp_path / "store", source)
    assert (output.path / COPY).read_bytes() == tar_of(MEMBERS)
    assert output.counts["n_bytes_copied"] == len(tar_of(MEMBERS))
    rows = output.read(OCCURRENCES).to_pylist()
    assert [(row["key"], row["unreadable"]) for row in rows] == [
        ("a", None),
        ("b", None),
        ("c", "not an image"),
        ("d", None),
    ]
    assert {row["copy"] for row in rows} == {f"{output.path.relative_to(tmp_path / 'store')}/{COPY}"}
    source.unlink()
    assert read_back(tmp_path / "store", [output]) == {
        "a": SampleBytes(png(1), {"json": MEMBERS["a.json"], "mask.npy": MEMBERS["a.mask.npy"]}),
        "b": SampleBytes(png(2), {"cls": b"3"}),
        "d": SampleBytes(png(1), {}),
    }


def test_a_compressed_tar_that_is_cut_short_keeps_what_came_before(tmp_path: Path) -> None:
    noise = {f"{n}.png": png(n) + os.urandom(3000) for n in range(20)}
    packed = gzip.compress(tar_of(noise))
    (tmp_path / "s.tar.gz").write_bytes(packed[: len(packed) // 2])
    [output] = ingest(tmp_path / "store", tmp_path / "s.tar.gz")
    *whole, cut = output.read(OCCURRENCES).to_pylist()
    assert 5 < len(whole) < 15
    assert {row["unreadable"] for row in whole} == {None}
    assert cut["unreadable"] == "truncated or damaged compressed tar"
    read = read_back(tmp_path / "store", [output])
    assert [read[key].data for key in read] == [noise[f"{key}.png"] for key in read]  # type: ignore[union-attr]


def test_what_follows_a_whole_tar_inside_damaged_compression_is_said(tmp_path: Path) -> None:
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(tar_of({"a.png": png(1)})) + b"garbage")
    [output] = ingest(tmp_path / "store", tmp_path / "s.tar.gz")
    assert [row["unreadable"] for row in output.read(OCCURRENCES).to_pylist()] == [
        None,
        "truncated or damaged compressed tar",
    ]


def test_a_tar_that_unpacks_to_far_too_much_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LEAST_BYTES", 2**20)
    monkeypatch.setattr(unpacking, "PIECE", 2**16)
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(tar_of({"a.png": png(1), "b.png": bytes(50 * 2**20)})))
    [output] = ingest(tmp_path / "store", tmp_path / "s.tar.gz")
    good, bomb = output.read(OCCURRENCES).to_pylist()
    assert good["unreadable"] is None
    assert bomb["unreadable"].startswith("decompression bomb: more than ")
    assert (output.path / COPY).stat().st_size < 8 * 2**20


def test_in_copy_mode_every_kind_of_source_can_go_away(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    (pool / "sub").mkdir(parents=True)
    (pool / "s.tar").write_bytes(tar_of({"t.png": png(5), "t.txt": b"words"}))
    pq.write_table(pa.table({"image": [png(6), None, png(7)]}), pool / "p.parquet")
    loose = {"x.png": png(8), "sub/y.png": png(9), "sub/twin.png": png(8), "broken.png": b"no"}
    for name, data in {**loose, "x.json": b'{"label": "dog"}', "x.npy": b"numbers"}.items():
        (pool / name).write_bytes(data)
    outputs = ingest(tmp_path / "store", pool, mode="copy")
    rows = [row for output in outputs for row in output.read(OCCURRENCES).to_pylist()]
    assert all((row["copy"] is not None) == (row["unreadable"] is None) for row in rows)
    assert {row["unreadable"] for row in rows} == {None, "not an image", "null image"}
    for path in sorted(pool.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    read = read_back(tmp_path / "store", outputs)
    assert read == {
        "t": SampleBytes(png(5), {"txt": b"words"}),
        "0": SampleBytes(png(6), {}),
        "2": SampleBytes(png(7), {}),
        "x.png": SampleBytes(png(8), {"json": b'{"label": "dog"}', "npy": b"numbers"}),
        "sub/y.png": SampleBytes(png(9), {}),
        "sub/twin.png": SampleBytes(png(8), {}),
    }


def test_loose_files_are_packed_as_a_webdataset_tar_each_sample_once(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    for name, data in {"x.png": png(1), "y.png": png(1), "z.png": png(2), "z.png.json": b"{}", "z.txt": b"t"}.items():
        (pool / name).write_bytes(data)
    [output] = ingest(tmp_path / "store", pool, mode="copy")
    samples = read_with_webdataset([str(output.path / COPY)])
    assert sorted(sample["__key__"] for sample in samples) == output.read(SAMPLES)["sample_id"].to_pylist()
    assert {sample["png"] for sample in samples} == {png(1), png(2)}
    assert [sample["txt"] for sample in samples if "txt" in sample] == [b"t"]
    [again] = ingest(tmp_path / "other", pool, mode="copy")
    assert file_digest(again.path / COPY) == file_digest(output.path / COPY)


def test_in_index_mode_nothing_is_copied_from_plain_files(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "s.tar").write_bytes(tar_of({"t.png": png(5)}))
    (pool / "x.png").write_bytes(png(8))
    for output in ingest(tmp_path / "store", pool):
        assert not (output.path / COPY).exists()
        assert output.read(OCCURRENCES)["copy"].null_count == 1


def test_a_copy_is_not_read_without_its_store(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(8))
    [output] = ingest(tmp_path / "store", tmp_path / "x.png", mode="copy")
    with pytest.raises(ValueError, match="store: some rows have their bytes in a store"):
        read_samples(output.read(OCCURRENCES))


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^mode: wants one of 'index', 'copy', got 'move'"):
        IngestConfig(mode="move")  # type: ignore[arg-type]


PAIR = {"a.png": png(1), "a.seg.png": png(2), "a.txt": b"about both", "b.png": png(3), "b.txt": b"about b"}


def forget(store: Path, data: bytes) -> dict[str, str]:
    row = {
        "sample_id": sample_id_of(data),
        "because_of": sample_id_of(data),
        "similarity": None,
        "reason": "test",
        "takedown": "t",
        "requested_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    add_forgotten(store, [{column.name: row.get(column.name) for column in FORGOTTEN.columns}])
    return refused_samples(store)


@pytest.mark.parametrize("members", ["auto", "all"])
@pytest.mark.parametrize("forgotten_first", [False, True])
def test_a_forgotten_sample_is_blanked_in_the_copy_with_what_came_with_it(
    tmp_path: Path, forgotten_first: bool, members: str
) -> None:
    """The mask is blanked too where it accompanies the sample, and stays where it is one itself."""
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(tar_of(PAIR)))
    if forgotten_first:
        forget(tmp_path / "store", png(1))
    [output] = ingest(tmp_path / "store", tmp_path / "s.tar.gz", image_members=(members,))
    if not forgotten_first:
        rewrite_shard(tmp_path / "store", output, forget(tmp_path / "store", png(1)))
        output = open_output(output.path)
    copy = (output.path / COPY).read_bytes()
    assert [data in copy for data in PAIR.values()] == [False, members == "all", False, True, True]
    assert len(copy) == len(tar_of(PAIR))
    assert output.files[COPY] == file_digest(output.path / COPY)
    assert read_back(tmp_path / "store", [output]) == {
        **({"a.seg.png": SampleBytes(png(2), {})} if members == "all" else {}),
        "b": SampleBytes(png(3), {"txt": b"about b"}),
    }
