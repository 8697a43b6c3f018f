"""Ingest: every occurrence once, every distinct readable sample once, the same bytes every time."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.ingest.ingestion import ingest_shard, ingest_shards, occurrence_id_of
from windrow.tasks.pictures.decoding import MAX_PIXELS
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import Output, open_output

SHARED = Path(__file__).parents[4] / "shared" / "data"


def image(seed: int, format: str = "PNG", size: tuple[int, int] = (12, 8)) -> bytes:
    out = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(out, format)
    return out.getvalue()


def tar_bytes(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ingest(store: Path, *sources: Path | str, **config: Any) -> list[Output]:
    done = ingest_shards(store, plan_shards([str(source) for source in sources]), IngestConfig(**config))
    return [open_output(store / one.path) for one in done]


def rows_of(outputs: list[Output]) -> list[dict[str, Any]]:
    return [row for output in outputs for row in output.read(OCCURRENCES).to_pylist()]


def test_a_sample_is_described_and_can_be_found_again(tmp_path: Path) -> None:
    data = image(1, "JPEG", (20, 10))
    (tmp_path / "s.tar").write_bytes(tar_bytes([("a.jpg", data), ("a.cls", b"3\n"), ("b.cls", b"1")]))
    [output] = ingest(tmp_path / "store", tmp_path / "s.tar")
    sample_id = hashlib.sha256(data).hexdigest()[:32]
    one, two = output.read(OCCURRENCES).to_pylist()
    assert one == {
        "occurrence_id": hashlib.sha256(f"{tmp_path}/s.tar\0s.tar\x000".encode()).hexdigest()[:32],
        "sample_id": sample_id,
        "source_uri": f"{tmp_path}/s.tar",
        "kind": "tar",
        "shard": "s.tar",
        "position": 0,
        "key": "a",
        "extension": "jpg",
        "byte_offset": 512,
        "byte_length": len(data),
        "copy": None,
        "members": [{"extension": "cls", "byte_offset": 2048, "byte_length": 2, "path": None}],
        "found_label": "3",
        "label_from": ".cls",
        "caption": None,
        "group": None,
        "license": None,
        "spdx": None,
        "author": None,
        "source_url": None,
        "metadata": None,
        "unreadable": None,
    }
    assert (two["key"], two["sample_id"], two["unreadable"]) == ("b", None, "no image among the members: cls")
    [sample] = output.read(SAMPLES).to_pylist()
    facts = {"width": 20, "height": 10, "mode": "RGB", "format": "JPEG", "n_frames": 1, "exif_orientation": 1}
    facts["mended"] = None
    assert sample == {"sample_id": sample_id, **facts, "n_bytes": len(data)}
    assert output.counts == {"n_occurrences": 2, "n_unreadable": 1, "n_samples": 1}
    assert {"source_uri", "shard"} <= set(output.inputs)


def test_identical_bytes_are_one_sample_however_often_they_lie_there(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    for name, data in [("a.png", image(1)), ("b.jpg", image(1)), ("c.png", image(2)), ("d.jpg", b"?"), ("e.jpg", b"?")]:
        (pool / name).write_bytes(data)
    [output] = ingest(tmp_path, pool)
    assert output.counts == {"n_occurrences": 5, "n_unreadable": 2, "n_samples": 2}
    rows = output.read(OCCURRENCES).to_pylist()
    assert rows[0]["sample_id"] == rows[1]["sample_id"] != rows[2]["sample_id"]
    assert rows[3]["sample_id"] == rows[4]["sample_id"] == hashlib.sha256(b"?").hexdigest()[:32]
    ids = output.read(SAMPLES)["sample_id"].to_pylist()
    assert ids == sorted({row["sample_id"] for row in rows[:3]})


def test_nothing_that_is_broken_vanishes(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    (pool / "folder.jpg").mkdir(parents=True)
    good, tar = image(3, "JPEG", (40, 30)), tar_bytes([("a.jpg", image(4, "JPEG")), ("b.jpg", image(5, "JPEG"))])
    files = {
        "png_named.jpg": image(1),
        "cut.jpg": good[: len(good) // 2],
        "empty.jpg": b"",
        "text.png": b"only text",
        "video.mp4": b"\0\0\0\x18ftypisom",
        "folder.jpg/inside.jpg": good,
        "whole.tar": tar,
        "cut.tar": tar[: tar.index(image(5, "JPEG")) + 10],
        "empty.tar": b"",
        "broken.parquet": b"PAR1 not really",
    }
    for name, data in files.items():
        (pool / name).write_bytes(data)
    (pool / "link.jpg").symlink_to("nowhere")
    rows = rows_of(ingest(tmp_path, pool, max_bytes=2**20))
    assert {(row["shard"] if row["kind"] != "file" else "", row["key"]): row["unreadable"] for row in rows} == {
        ("", "png_named.jpg"): None,
        ("", "cut.jpg"): "truncated image",
        ("", "empty.jpg"): "empty file",
        ("", "text.png"): "not an image",
        ("", "video.mp4"): "a video (MP4 or QuickTime): save its frames as pictures",
        ("", "folder.jpg/inside.jpg"): None,
        ("", "link.jpg"): "broken link",
        ("whole.tar", "a"): None,
        ("whole.tar", "b"): None,
        ("cut.tar", "a"): None,
        ("cut.tar", "b"): "truncated tar",
        ("empty.tar", "empty.tar"): "empty file",
        ("broken.parquet", "broken.parquet"): "damaged Parquet file",
    }


def test_limits_make_a_sample_unreadable_and_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "a.png").write_bytes(image(1, size=(12, 8)))
    [output] = ingest(tmp_path, pool, max_pixels=95)
    assert output.read(OCCURRENCES)["unreadable"].to_pylist() == ["too many pixels: 96 > 95"]
    assert output.read(SAMPLES).num_rows == 0
    [output] = ingest(tmp_path, pool, max_pixels=96)
    assert output.counts["n_samples"] == 1
    [output] = ingest(tmp_path, pool, max_bytes=10)
    [row] = rows_of([output])
    assert row["sample_id"] is None and row["unreadable"].startswith("too large: ")


def test_the_second_time_a_shard_is_found_and_a_touched_one_gives_the_same_bytes(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "t.tar").write_bytes(tar_bytes([(f"{n}.png", image(n)) for n in range(3)]))
    (pool / "a.png").write_bytes(image(9))
    config = IngestConfig()
    first = ingest_shards(tmp_path / "one", plan_shards([str(pool)]), config)
    again = ingest_shards(tmp_path / "one", plan_shards([str(pool)]), config)
    elsewhere = ingest_shards(tmp_path / "two", plan_shards([str(pool)]), config)
    for name in ("t.tar", "a.png"):
        os.utime(pool / name, ns=(0, 10**9))
    touched = ingest_shards(tmp_path / "one", plan_shards([str(pool)]), config)
    assert [one.found for one in (*first, *again, *touched)] == [False, False, True, True, False, False]
    files = [open_output(tmp_path / "one" / one.path).files for one in first]
    assert [open_output(tmp_path / "two" / one.path).files for one in elsewhere] == files
    assert [open_output(tmp_path / "one" / one.path).files for one in touched] == files


def test_a_new_sidecar_is_noticed(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "a.png").write_bytes(image(1))
    before = rows_of(ingest(tmp_path, pool))
    (pool / "a.cls").write_text("5")
    after = rows_of(ingest(tmp_path, pool))
    assert [row["found_label"] for row in before + after] == [None, "5"]


def test_sources_that_overlap_give_different_occurrences_of_one_sample(tmp_path: Path) -> None:
    (tmp_path / "pool/inner").mkdir(parents=True)
    (tmp_path / "pool/inner/a.png").write_bytes(image(1))
    rows = rows_of(ingest(tmp_path / "store", tmp_path / "pool", tmp_path / "pool/inner"))
    assert len({row["occurrence_id"] for row in rows}) == 2
    assert len({row["sample_id"] for row in rows}) == 1


def test_a_remote_source_gives_the_same_samples_as_a_local_one(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [image(7), None], "label": [1, 2]}), out)
    files = {
        "t.tar": tar_bytes([("a.png", image(1)), ("a.cls", b"2")]),
        "l/b.png": image(2),
        "p.parquet": out.getvalue(),
    }
    for name, data in files.items():
        (tmp_path / "pool" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pool" / name).write_bytes(data)
        memory.pipe(f"/ingest/pool/{name}", data)
    local, remote = ingest(tmp_path / "1", tmp_path / "pool"), ingest(tmp_path / "1", "memory://ingest/pool")
    assert [output.read(SAMPLES) for output in remote] == [output.read(SAMPLES) for output in local]
    for here, there in zip(rows_of(local), rows_of(remote), strict=True):
        ours = {"source_uri": "memory://ingest/pool"}
        ours["occurrence_id"] = occurrence_id_of(ours["source_uri"], here["shard"], here["position"])
        assert here | ours == there


def test_a_file_without_a_column_of_images_says_which_it_has_and_is_read_when_one_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"photo": [b"x"], "label": [1]}), tmp_path / "p.parquet")
    [shard] = plan_shards([str(tmp_path / "p.parquet")])
    done = ingest_shard(tmp_path / "store", shard, IngestConfig())
    [row] = open_output(tmp_path / "store" / done.path).read(OCCURRENCES).to_pylist()
    assert row["unreadable"].endswith("ingest.image_column; the file has photo (binary), label (int64)")
    assert ingest_shard(tmp_path / "store", shard, IngestConfig(image_column="photo")).counts["n_occurrences"] == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"label_key": "group"}, r"^label_key, group_key, caption_key: .*\('group', 'group', 'caption'\)"),
        ({"caption_key": ""}, "^caption_key: wants something, got ''"),
        ({"image_column": ""}, "^image_column: wants something, got ''"),
        ({"max_pixels": 0}, "^max_pixels: .*got 0"),
        ({"max_pixels": MAX_PIXELS + 1}, "^max_pixels: wants 178956970 or less"),
        ({"max_bytes": 0}, "^max_bytes: .*got 0"),
        ({"max_seconds": 0.0}, "^max_seconds: .*got 0"),
        ({"max_seconds": float("nan")}, "^max_seconds: .*got nan"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IngestConfig(**config)


CONTENTS = st.sampled_from([image(1), image(2, "JPEG"), image(3, "GIF"), b"", b"text", image(2, "JPEG")[:60]])


@given(st.lists(CONTENTS, max_size=12), st.sampled_from(["tar", "parquet", "file"]))
@settings(max_examples=30, deadline=None)
def test_every_sample_of_every_kind_is_accounted_for_once(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], kind: str
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    source = folder / f"s.{kind}"
    if kind == "tar":
        source.write_bytes(tar_bytes([(f"{n:02d}.img", data) for n, data in enumerate(contents)]))
    elif kind == "parquet":
        pq.write_table(pa.table({"image": pa.array(contents, pa.binary())}), source, row_group_size=5)
    else:
        source.mkdir()
        for n, data in enumerate([*contents, b""]):
            (source / f"{n:02d}.img").write_bytes(data)
        contents = [*contents, b""]
    outputs = ingest(folder / "store", source)
    rows = rows_of(outputs)
    assert [row["sample_id"] for row in rows] == [hashlib.sha256(data).hexdigest()[:32] for data in contents]
    assert [row["unreadable"] is None for row in rows] == [len(data) > 60 for data in contents]
    readable = {row["sample_id"] for row in rows if row["unreadable"] is None}
    assert {key for output in outputs for key in output.read(SAMPLES)["sample_id"].to_pylist()} == readable
    table = pa.concat_tables([output.read(OCCURRENCES) for output in outputs])
    assert [data for _, data in read_samples(table)] == contents


def test_a_worker_that_ingests_does_not_import_prefect_or_torch() -> None:
    code = "import sys, windrow.tasks.ingest.ingestion; print({'prefect', 'torch', 'duckdb'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_real_tars_and_photographs_are_read_whole(tmp_path: Path) -> None:
    [cifar] = ingest(tmp_path, SHARED / "cifar10-20k/cifar10-20k-03.tar")
    assert cifar.counts == {"n_occurrences": 1000, "n_unreadable": 0, "n_samples": 1000}
    assert set(cifar.read(OCCURRENCES)["found_label"].to_pylist()) == {str(n) for n in range(10)}
    photos = ingest(tmp_path, f"{SHARED}/photos/*_[a-f]*.JPEG")
    rows = rows_of(photos)
    assert len(rows) == len(list((SHARED / "photos").glob("*_[a-f]*.JPEG"))) > 20
    assert all(row["unreadable"] is None for row in rows)
