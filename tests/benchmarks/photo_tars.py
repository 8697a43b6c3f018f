"""What the benchmarks of ingest and export share: pools of photographs in tars, the best of a few turns, tables."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import Done

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
PER_TAR = 100


def make_tars(photos: Path, folder: Path, n_tars: int, side: int | None = None) -> None:
    """Write tars of PER_TAR photographs and their classes, no two samples alike; `side`: as squares, JPEG 90."""
    images = [data for path in sorted(photos.glob("*.JPEG")) if (data := path.read_bytes()).startswith(b"\xff\xd8")]
    images = images if side is None else [square(data, side) for data in images[:PER_TAR]]
    for number in range(n_tars):
        with tarfile.open(folder / f"{number:06d}.tar", "w") as tar:
            for n in range(number * PER_TAR, (number + 1) * PER_TAR):
                data = images[n % len(images)]
                comment = b"\xff\xfe" + struct.pack(">H", 10) + b"%08d" % n
                for name, content in (
                    (f"{n:08d}.jpg", data[:2] + comment + data[2:]),
                    (f"{n:08d}.cls", b"%d" % (n % 10)),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))


def square(data: bytes, side: int) -> bytes:
    """Return a picture squeezed to a square, as a JPEG."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").resize((side, side)).save(out, "JPEG", quality=90)
    return out.getvalue()


def best_of(n: int, **works: Callable[[], object]) -> dict[str, float]:
    """Return the least seconds of each work, all in turns."""
    seconds: dict[str, float] = {}
    for _ in range(n):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - started)
    return seconds


def index(tars: Path, folder: Path, n_workers: int, verify: str) -> list[Done]:
    """Ingest all tars into a new store, in worker processes."""
    config = IngestConfig(verify=verify)  # type: ignore[arg-type]
    store = Path(tempfile.mkdtemp(dir=folder))
    groups = np.array_split(np.array(plan_shards([str(tars)]), dtype=object), n_workers * 4)
    executor = open_executor(ExecutorConfig(n_workers=n_workers))
    with ThreadPoolExecutor(n_workers * 2) as threads:
        work: list[list[SourceShard]] = [list(group) for group in groups]
        done = threads.map(lambda group: executor.run(ingest_shards, store, group, config), work)
        return [one for some in done for one in some]


def make_tiny(n: int, tars: Path) -> None:
    """Write tars of 10,000 images of 16 x 16 pixels, no two alike."""
    rng = np.random.default_rng(0)
    for start in range(0, n, 10_000):
        with tarfile.open(tars / f"{start:08d}.tar", "w") as tar:
            for number in range(start, start + 10_000):
                out = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(out, "PNG", compress_level=0)
                info = tarfile.TarInfo(f"{number:08d}.png")
                info.size = out.tell()
                tar.addfile(info, io.BytesIO(out.getvalue()))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table under a title."""
    lines = [" | ".join(columns), "|".join("---" for _ in columns), *(" | ".join(map(str, row)) for row in rows)]
    return f"## {title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"
