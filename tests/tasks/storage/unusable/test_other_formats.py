"""Files that are no pictures: each is an outcome that says what it is and what to do, and the rest goes on."""

import io
import lzma
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image
from small_pool import png, stripes

from windrow.schemas import OCCURRENCES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.unusable.other_formats import crc32c, other_format

GOOD = png(stripes(0))


def zipped(name: str = "a.png") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, GOOD)
    return out.getvalue()


def arrays() -> bytes:
    out = io.BytesIO()
    np.savez(out, images=np.zeros((2, 4, 4), np.uint8))
    return out.getvalue()


def array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros((2, 4, 4), np.uint8))
    return out.getvalue()


def arrow(is_stream: bool) -> bytes:
    table = pa.table({"image": [GOOD], "label": [0]})
    out = io.BytesIO()
    with (ipc.new_stream if is_stream else ipc.new_file)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def parquet(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        info = tarfile.TarInfo("a.png")
        info.size = len(GOOD)
        file.addfile(info, io.BytesIO(GOOD))
    return out.getvalue()


def tfrecord() -> bytes:
    """The length of the first record and its masked CRC, as TensorFlow documents the format."""
    length = struct.pack("<Q", 18)
    crc = crc32c(length)
    return length + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32) + bytes(22)


MNIST = struct.pack(">4I", 0x803, 60_000, 28, 28) + bytes(1000)
LMDB = bytes(16) + struct.pack("<I", 0xBEEFC0DE) + bytes(100)

FILES: dict[str, tuple[Callable[[], bytes] | bytes, str]] = {
    "x.parquet": (lambda: parquet(a=[1], b=["x"]), r"ingest.image_column; the file has a \(int64\), b \(string\)"),
    "blob.parquet": (lambda: parquet(payload=[GOOD]), r"ingest.image_column; the file has payload \(binary\)"),
    "wide.parquet": (lambda: parquet(**{f"c{n}": [n] for n in range(40)}), r"c11 \(int64\) and 28 more"),
    "a.zip": (zipped, "zip archive, .*unpack it"),
    "odd": (zipped, "zip archive"),
    "model.pt": (lambda: zipped("archive/data.pkl"), "PyTorch"),
    "a.tfrecord-00000-of-00002": (b"no such header", "TFRecord"),
    "part-0": (tfrecord, "TFRecord"),
    "data-00000-of-00001.arrow": (lambda: arrow(True), "save_to_disk.*to_parquet"),
    "file": (lambda: arrow(False), "save_to_disk.*to_parquet"),
    "x.feather": (lambda: arrow(False), "Arrow"),
    "x.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "train.npz": (arrays, "NumPy"),
    "array": (array, "NumPy"),
    "x.rar": (b"Rar!\x1a\x07\x01\0" + bytes(50), "RAR"),
    "x.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "7z"),
    "x.mp4": (b"\0\0\0\x18ftypmp42" + bytes(50), "video"),
    "x.mkv": (b"\x1aE\xdf\xa3" + bytes(50), "video"),
    "x.avi": (b"RIFF\0\0\0\0AVI " + bytes(50), "video"),
    "x.png.gz": (b"\x1f\x8b\x08" + bytes(50), "gzip"),
    "x.png.xz": (lambda: lzma.compress(GOOD), "xz"),
    "unnamed": (tar, "name ends with .tar"),
    "table": (lambda: parquet(image=[GOOD]), "name with .parquet"),
    "data_batch_1": (lambda: pickle.dumps({"data": bytes(99)}), "pickle"),
    "batches.pkl": (lambda: pickle.dumps({"data": bytes(99)}), "pickle"),
    "train-images-idx3-ubyte": (MNIST, "IDX"),
    "data.mdb": (LMDB, "LMDB"),
    "shard.00000.mds": (bytes(60), "MDS"),
    "photos.sqlite": (b"SQLite format 3\0" + bytes(60), "SQLite"),
    "scan.dcm": (bytes(128) + b"DICM" + bytes(60), "DICOM"),
    "urls.csv": (b"url,caption\nhttp://example.com/a.jpg,x\n", "a list of samples: .*list:.*urls.csv"),
    "urls.tsv": (b"image\tlabel\ns3://bucket/a.jpg\t1\n", "a list of samples"),
    "urls.jsonl": (b'{"url": "http://example.com/a.jpg"}\n', "a list of samples"),
}


def test_a_file_that_holds_no_picture_is_an_outcome_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "good.png").write_bytes(GOOD)
    for name, (make, _) in FILES.items():
        (tmp_path / "pool" / name).write_bytes(make if isinstance(make, bytes) else make())
    found = told(tmp_path / "pool", tmp_path / "store")
    wrong = {name: found[name] for name, (_, reason) in FILES.items() if not re.search(reason, found[name] or "")}
    assert wrong == {}
    assert found["good.png"] is None


def test_the_checksum_of_tfrecords_is_crc_32c() -> None:
    """The vectors of RFC 3720, B.4."""
    assert [crc32c(bytes(32)), crc32c(b"\xff" * 32), crc32c(bytes(range(32)))] == [0x8A9136AA, 0x62A8AB43, 0x46DD794E]


@pytest.mark.parametrize("name", ["x.zip", "x.bin"])
def test_a_large_one_says_what_it_is_and_not_that_it_is_large(tmp_path: Path, name: str) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / name).write_bytes(zipped())
    assert told(tmp_path / "pool", tmp_path / "store", max_bytes=100) == {name: reason_like("zip archive")}


def test_members_of_tars_say_so_too(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write({"__key__": "a", "png": GOOD})
        writer.write({"__key__": "b", "bin": zipped()})
    assert told(tmp_path / "a.tar", tmp_path / "store") == {"a": None, "b": reason_like("zip archive")}


def test_what_comes_with_a_sample_is_none_of_these(tmp_path: Path) -> None:
    for name in ("a.png", "a.npz", "b.png", "a.feats.pt", "masks/b.npz", "b.png.pkl"):
        (tmp_path / "pool" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pool" / name).write_bytes(GOOD if name.endswith("png") else arrays())
    (tmp_path / "pool" / "labels.csv").write_text("key,label\na.png,cat\n")
    (tmp_path / "pool" / "paths.csv").write_text("path,label\na.png,cat\n")
    (tmp_path / "pool" / "metadata.csv").write_text("file_name,page\na.png,https://example.com\n")
    assert told(tmp_path / "pool", tmp_path / "store") == {"a.png": None, "b.png": None}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "JPEG2000", "TGA"])
def test_no_picture_is_taken_for_something_else(format: str) -> None:
    out = io.BytesIO()
    Image.fromarray(stripes(3).astype(np.uint8)).save(out, format)
    assert other_format(out.getvalue()[:512]) is None


def test_a_source_of_lists_alone_says_how_lists_are_named(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.csv").write_text("path,label\na.png,1\n")
    assert told(tmp_path / "pool", tmp_path / "store") == {"a.csv": reason_like("a list of samples: .*list:")}
    (tmp_path / "pool" / "a.csv").write_text("key,label\na.png,1\n")
    with pytest.raises(ValueError, match=r"holds no samples, only 1 \.csv; a list of samples is named list:"):
        plan_shards([str(tmp_path / "pool")])


def told(source: Path, store: Path, **config: int) -> dict[str, str | None]:
    """What became of each occurrence, by key."""
    settings = IngestConfig(**config)  # type: ignore[arg-type]
    done = ingest_shards(store, plan_shards([str(source)], settings), settings)
    rows = [row for one in done for row in open_output(store / one.path).read(OCCURRENCES).to_pylist()]
    return {row["key"]: row["unreadable"] for row in rows}


class reason_like(str):  # noqa: N801  (it reads as a word in what is expected)
    """Equal to a text that a pattern is found in."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.search(str(self), other) is not None

    __hash__ = str.__hash__
