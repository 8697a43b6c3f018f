"""Ingest and export against their floors: python tests/benchmarks/bench_ingest.py [--photos FOLDER] [--write]

Each stage is timed beside the least that could do it, in turns in the same run and the best of a few: an index against
`tar t` and `sha256sum`, decoding against a bare Pillow loop, an export against copying the same bytes. The samples are
the photographs of a folder, made different by a comment of 8 bytes in each. --write puts the tables into
docs/evidence/ingest-and-export.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

import numpy as np
from evidence_page import EVIDENCE, write_places
from export_floors import export_table
from one_pass_tables import bare_loop_table, one_pass_table
from photo_tars import PER_TAR, PHOTOS, best_of, index, make_tars, make_tiny, table
from PIL import Image
from rich.console import Console

from windrow.tasks.executors import close_executors
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.pictures.decoding import inspect_image
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig

N_TARS = 100
say = Console(stderr=True).log


def shell(command: str, tars: Path, n_workers: int) -> Callable[[], object]:
    """Return a run of a command over all tars, so many at once."""
    return lambda: subprocess.run(
        f"ls {tars}/*.tar | xargs -P {n_workers} -n 4 sh -c '{command}' sh >/dev/null", shell=True, check=True
    )


PILLOW_LOOP = """
import io, sys, tarfile
from PIL import Image
for path in sys.argv[1:]:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                Image.open(io.BytesIO(tar.extractfile(member).read())).load()
"""


def pillow_loop(tars: Path, n_workers: int) -> None:
    """Decode every image of all tars in so many processes, and do nothing else."""
    paths = sorted(map(str, tars.glob("*.tar")))
    commands = [[sys.executable, "-c", PILLOW_LOOP, *paths[start::n_workers]] for start in range(n_workers)]
    running = [subprocess.Popen(command) for command in commands]
    if any(process.wait() for process in running):
        raise RuntimeError("the Pillow loop failed")


def ingest_table(tars: Path, folder: Path) -> str:
    """Return the speed of ingest with one and two processes, and of its floors."""
    n_bytes = sum(path.stat().st_size for path in tars.glob("*.tar"))
    n_samples = len(list(tars.glob("*.tar"))) * PER_TAR
    rows: list[Sequence[object]] = []
    for n_workers in (1, 2):
        say(f"ingest: {n_workers} processes")
        index(tars, folder, n_workers, "header")  # starts the workers
        hashed = 'for f in "$@"; do tar tf $f; done; sha256sum "$@"'
        seconds = best_of(
            3,
            floor=shell(hashed, tars, n_workers),
            ours=lambda n=n_workers: index(tars, folder, n, "header"),  # type: ignore[misc]
            pillow=lambda n=n_workers: pillow_loop(tars, n),  # type: ignore[misc]
            verified=lambda n=n_workers: index(tars, folder, n, "decode"),  # type: ignore[misc]
        )
        for name, work, floor in (
            ("ours", "index (`verify: header`)", "floor"),
            ("floor", "`tar t` and `sha256sum`", "floor"),
            ("verified", "index and decode (`verify: decode`)", "pillow"),
            ("pillow", "a bare Pillow loop", "pillow"),
        ):
            found = seconds[name]
            rows.append((n_workers, work, f"{found:.2f}", f"{n_samples / found:,.0f}", f"{n_bytes / found / 1e6:,.0f}",
                         f"{seconds[floor] / found:.2f}"))  # fmt: skip
    title = f"Ingest: {n_samples:,} photographs, {n_bytes / 1e9:.1f} GB, in {len(list(tars.glob('*.tar')))} tars"
    return table(title, ("processes", "work", "seconds", "samples/s", "MB/s", "of the floor's speed"), rows)


def decoder_table(tars: Path) -> str:
    """Return what one thread of each decoder takes for a photograph. Those that are not installed are left out."""
    images = [member.read() for path in sorted(tars.glob("*.tar"))[:2] for member in jpegs(path)]
    decoders: dict[str, Callable[[bytes], object]] = {
        "ours: the same, a square of it in grey, five measures": inspect_image,
        "Pillow, colours": lambda data: Image.open(io.BytesIO(data)).load(),
    }
    with contextlib.suppress(ImportError):
        import simplejpeg

        decoders["simplejpeg, colours"] = lambda data: simplejpeg.decode_jpeg(data, "RGB")
        decoders["simplejpeg, luma"] = lambda data: simplejpeg.decode_jpeg(data, "GRAY")
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)
        decoders["OpenCV, colours"] = lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        decoders["OpenCV, luma"] = lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    best = dict.fromkeys(decoders, np.inf)
    for _ in range(10):
        for name, decode in decoders.items():
            started = time.process_time()
            for data in images:
                decode(data)
            best[name] = min(best[name], (time.process_time() - started) / len(images))
    colours = min(seconds for name, seconds in best.items() if "colours" in name)
    rows = [(name, f"{seconds * 1e3:.3f}", f"{colours / seconds:.2f}") for name, seconds in best.items()]
    title = f"Decoders: {len(images)} photographs, one thread"
    return table(title, ("decoder", "CPU ms a photograph", "of the fastest decoder to colours"), rows)


def jpegs(path: Path) -> Iterator[IO[bytes]]:
    """Yield the photographs of a tar."""
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file and member.name.endswith(".jpg"):
                yield file


def memory_table(folder: Path) -> str:
    """Return the peak memory of ingest over many small samples, each number of them in a process of its own."""
    rows: list[Sequence[object]] = []
    for n in (10_000, 50_000, 200_000):
        say(f"memory: {n:,} samples")
        found = subprocess.run([sys.executable, __file__, "--peak-memory", str(n), str(folder)], check=True,
                               capture_output=True, text=True)  # fmt: skip
        result = json.loads(found.stdout)
        rows.append(
            (f"{n:,}", f"{result['start_mb']:.0f}", f"{result['peak_mb']:.0f}", f"{n / result['seconds']:,.0f}")
        )
    title = "Memory: tars of 10,000 images of 16 x 16, ingested one after the other in one process"
    return table(title, ("samples", "MB before", "peak MB", "samples/s"), rows)


def peak_memory(n: int, folder: Path) -> None:
    """Ingest n tiny images in this process, and print how far its memory went."""
    tars = Path(tempfile.mkdtemp(dir=folder))
    if os.fork() == 0:  # so that what making the images takes is not counted
        make_tiny(n, tars)
        os._exit(0)
    if os.wait()[1]:
        raise RuntimeError("the images could not be made")
    before = most_memory()
    started = time.perf_counter()
    ingest_shards(tars / "store", plan_shards([str(tars)]), IngestConfig())
    seconds = time.perf_counter() - started
    peak = most_memory()
    print(json.dumps({"start_mb": before, "peak_mb": peak, "seconds": seconds}))


def most_memory() -> float:
    """Return the most memory that this process has had, in MB; getrusage counts that of the one that started it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else np.nan


def installed(library: str) -> bool:
    """Say whether there is such a distribution."""
    with contextlib.suppress(PackageNotFoundError):
        return bool(version(library))
    return False


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="folder of .JPEG files")
    parser.add_argument("--tars", type=int, default=N_TARS, help="tars of 100 photographs; fewer to try the script")
    parser.add_argument("--only", help="one table: ingest, bare-loop, one-pass, decoders, export or memory")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/ingest-and-export.md")
    parser.add_argument("--peak-memory", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_memory:
        peak_memory(int(args.peak_memory[0]), Path(args.peak_memory[1]))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="windrow-bench-") as name:
        folder, tars = Path(name) / "stores", Path(name) / "tars"
        folder.mkdir()
        tars.mkdir()
        make_tars(args.photos, tars, args.tars)
        tables = {
            "ingest": lambda: ingest_table(tars, folder),
            "bare-loop": lambda: bare_loop_table(folder, args.photos),
            "one-pass": lambda: one_pass_table(folder, args.photos),
            "decoders": lambda: decoder_table(tars),
            "export": lambda: export_table(tars, folder),
            "memory": lambda: memory_table(folder),
        }
        made = {name: make() for name, make in tables.items() if args.only in (None, name)}
        close_executors()
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    libraries = ", ".join(
        f"{library} {version(library)}"
        for library in ("pillow", "pyarrow", "simplejpeg", "opencv-python-headless")
        if installed(library)
    )
    hardware = f"{model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores; {libraries}."
    machine = f"{hardware} Load average at the start: {load:.1f}.\n"
    print("\n".join([machine, *made.values()]))
    if args.write:
        write_places(EVIDENCE / "ingest-and-export.md", made if args.only else {"machine": machine, **made})


if __name__ == "__main__":
    main()
