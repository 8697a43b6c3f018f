"""Small files that expand: what they take of memory, all processes together, is bounded, in features, too."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hostile_parquet import parquet
from hostile_pictures import deflated, png_chunk

from windrow.tasks.storage.sources.columns import parquet_pages
from windrow.tasks.storage.sources.parquet_source import iterate_parquet
from windrow.tasks.storage.sources.source_shard import IngestConfig

MB = 2**20
SIDE = 6000

PROGRAM = """
import json, sys
from pathlib import Path
from windrow.schemas import OCCURRENCES
from windrow.tasks.features.pool_images import first_occurrences
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.pictures.guarded import decode_guarded
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output
store = Path(sys.argv[2])
reasons = []
for done in ingest_shards(store, plan_shards([sys.argv[1]]), IngestConfig()):
    output = open_output(store / done.path)
    reasons += output.read(OCCURRENCES)["unreadable"].to_pylist()
    for _, data in read_samples(first_occurrences(output), store):
        assert min(decode_guarded(data, 224).size) >= 224
print(json.dumps(reasons))
"""


def png(width: int, height: int, depth: int, colours: int, bytes_a_row: int, *more: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = png_chunk(b"IDAT", deflated(height * (1 + bytes_a_row)))
    return b"\x89PNG\r\n\x1a\n" + b"".join((png_chunk(b"IHDR", head), *more, pixels, png_chunk(b"IEND", b"")))


def in_dictionary(value: bytes, n: int) -> bytes:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([value]))
    return parquet({"image": column}, store_schema=False, compression="zstd", dictionary_pagesize_limit=2**30)


def in_pages(n: int, encoding: str) -> bytes:
    rows = {"image": [bytes(100 * MB)] * n}
    return parquet(rows, compression="zstd", use_dictionary=False, column_encoding={"image": encoding})


PALETTE = png_chunk(b"PLTE", bytes(range(256)) * 3)
TOO_LARGE = f"too large: N bytes of its row group unpack to {16 * (100 * MB + 4) + 6}"
BOMBS: dict[str, tuple[Callable[[], bytes], int, str | None]] = {
    "palette PNG": (lambda: png(SIDE, SIDE, 8, 3, SIDE, PALETTE), 1200, None),
    "16-bit grey PNG": (lambda: png(SIDE, SIDE, 16, 0, 2 * SIDE), 1200, None),
    "16-bit colour PNG": (lambda: png(SIDE, SIDE, 16, 2, 6 * SIDE), 1700, None),
    "Parquet: a dictionary for 128 rows": (lambda: in_dictionary(bytes(100 * MB), 128), 1500, "not an image"),
    "Parquet: shared beginnings": (lambda: in_pages(6, "DELTA_BYTE_ARRAY"), 1500, "not an image"),
    "Parquet: a page of 1.6 GB": (lambda: in_pages(16, "PLAIN"), 700, TOO_LARGE),
}


def tree_bytes(pid: int) -> int:
    """The memory that a process and all that it started have in use."""
    try:
        total = 4096 * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:  # it has just ended
        return 0
    return total + sum(map(tree_bytes, children))


def ran(source: Path, store: Path) -> tuple[set[str | None], int]:
    """Ingest a file and decode what is in it as features do; return the reasons and the most memory of all."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(source), str(store)], stdout=subprocess.PIPE)
    ended, seen = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(0.01):
            seen.append(tree_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate(timeout=240)
    ended.set()
    watcher.join()
    assert process.returncode == 0
    reasons = {reason and re.sub(r"\d+ bytes of", "N bytes of", reason) for reason in json.loads(said)}
    return reasons, max(seen)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of processes from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_expands_takes_no_more_than_it_may(name: str, tmp_path: Path) -> None:
    make, most, reason = BOMBS[name]
    source = tmp_path / ("a.png" if "PNG" in name else "a.parquet")
    source.write_bytes(make())
    assert source.stat().st_size < 3 * MB
    reasons, peak = ran(source, tmp_path / "store")
    assert reasons == {reason}
    assert peak < most * MB


def test_a_row_group_that_unpacks_to_more_than_reading_may_take_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"image": [bytes(100_000)] * 25}
    file = parquet(rows, compression="zstd", use_dictionary=False, column_encoding={"image": "PLAIN"})
    monkeypatch.setattr(parquet_pages, "MAX_UNPACKED", 2_500_000)
    reasons = [found.error or "" for found in iterate_parquet(io.BytesIO(file), "a.parquet", IngestConfig())]
    assert len(reasons) == 25
    assert all(re.fullmatch(rf"too large: \d+ bytes of its row group unpack to {25 * 100_004 + 6}", r) for r in reasons)
