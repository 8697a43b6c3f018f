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
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console

from windrow.schemas import OCCURRENCES
from windrow.schemas.exported import EXPORT_PLAN
from windrow.tasks.executors import ExecutorConfig, close_executors, open_executor
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import plan_export
from windrow.tasks.export.shard_writing import write_export_shard
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.pictures.decoding import inspect_image
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import Done, open_output

SHARED = Path(__file__).parents[3] / "shared" / "data" / "photos"
N_TARS = 100
PER_TAR = 100
say = Console(stderr=True).log


def make_tars(photos: Path, folder: Path, n_tars: int) -> None:
    """Write tars of PER_TAR photographs and their classes, no two samples alike."""
    images = [data for path in sorted(photos.glob("*.JPEG")) if (data := path.read_bytes()).startswith(b"\xff\xd8")]
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
        "ours: luma, whole file": pillow_luma,
        "ours: the same, a square of it, five measures": inspect_image,
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


def pillow_luma(data: bytes) -> None:
    """Decode as ingest does."""
    image = Image.open(io.BytesIO(data))
    image.draft("L", None)
    image.load()


def jpegs(path: Path) -> Iterator[IO[bytes]]:
    """Yield the photographs of a tar."""
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file and member.name.endswith(".jpg"):
                yield file


WHAT = {
    "ours": "export: read by range, SHA-256 checked, one tar, its SHA-256, fsync",
    "dd": "dd of a file of these bytes, with fsync",
    "cp": "cp of it, without fsync",
    "loose": "cp of a folder with a file for each sample, with fsync",
    "ranges": "a dd for each sample, by range, from the tars",
}


def export_table(tars: Path, folder: Path) -> str:
    """Return the speed of the export of a random tenth, and of `cp` of a file of these bytes."""
    dones = index(tars, folder, 2, "header")
    store = next(path for path in folder.iterdir() if (path / dones[0].path).exists())
    occurrences = pa.concat_tables(open_output(store / one.path).read(OCCURRENCES) for one in dones)
    chosen = np.random.default_rng(0).choice(occurrences.num_rows, occurrences.num_rows // 10, replace=False)
    rows = plan_rows(occurrences.take(chosen))
    config = ExportConfig(formats=("webdataset",), sidecars=False)
    plain = folder / "bytes"
    total = sum(rows["byte_length"].to_pylist())
    plain.write_bytes(os.urandom(total))
    loose, script = folder / "loose", folder / "ranges.sh"
    loose.mkdir()
    for sample_id, data in read_samples(rows):
        (loose / sample_id).write_bytes(data)  # type: ignore[arg-type]
    dd = "dd status=none bs=1M iflag=skip_bytes,count_bytes"
    places = rows.select(["shard", "byte_offset", "byte_length"]).to_pylist()
    lines = (f"{dd} if={tars / p['shard']} skip={p['byte_offset']} count={p['byte_length']}\n" for p in places)
    script.write_text("".join(lines))
    results: list[Sequence[object]] = []
    for n_workers in (1, 2):
        executor = open_executor(ExecutorConfig(n_workers=n_workers))

        def work(n_workers: int = n_workers, executor: Any = executor) -> None:
            place = Path(tempfile.mkdtemp(dir=folder))
            shards = plan_export(place, rows, config, [])
            with ThreadPoolExecutor(n_workers) as threads:
                list(threads.map(lambda shard: executor.run(write_export_shard, place, shard, config), shards))

        floors = {
            "dd": f"dd if={plain} of={folder / 'copy'} bs=1M conv=fsync status=none",
            "cp": f"cp {plain} {folder / 'copy'}",
            "loose": f"rm -rf {folder / 'copies'}; cp -r {loose} {folder / 'copies'}; sync {folder / 'copies'}/*",
            "ranges": f"sh {script} > {folder / 'copy'}",
        }
        timed = {name: partial(subprocess.run, command, shell=True, check=True) for name, command in floors.items()}
        seconds = best_of(5, ours=work, **timed)
        for name, what in WHAT.items():
            found = seconds[name]
            results.append(
                (n_workers, what, f"{found:.3f}", f"{total / found / 1e6:,.0f}", f"{found / seconds['ours']:.2f}")
            )
    title = f"Export of a random tenth: {rows.num_rows:,} samples, {total / 1e6:,.0f} MB"
    return table(title, ("processes", "work", "seconds", "MB/s", "ours is so many times as fast"), results)


def plan_rows(occurrences: pa.Table) -> pa.Table:
    """Return rows of EXPORT_PLAN for some occurrences."""
    n = occurrences.num_rows
    ranks = pa.array(range(1, n + 1), pa.int64())
    made = {"sample_index": ranks, "rank": ranks, "sample_weight": [1.0] * n, "split": ["train"] * n, "width": [1] * n,
            "cluster_path": [[0]] * n, "group_id": occurrences["sample_id"], "height": [1] * n, "format": ["JPEG"] * n,
            "n_bytes": occurrences["byte_length"], "label": pa.nulls(n, pa.string())}  # fmt: skip
    known = {name: occurrences[name] for name in occurrences.column_names if name in EXPORT_PLAN.schema().names}
    return EXPORT_PLAN.build({**known, **made})


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


def installed(library: str) -> bool:
    """Say whether there is such a distribution."""
    with contextlib.suppress(PackageNotFoundError):
        return bool(version(library))
    return False


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table under a title."""
    lines = [" | ".join(columns), "|".join("---" for _ in columns), *(" | ".join(map(str, row)) for row in rows)]
    return f"## {title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


HOW_TO_READ = """
## How to read it

- An index hashes every sample by itself, and reads its header in a sandbox; `sha256sum` hashes tars, without the
  processor's own SHA instructions, so ours is near it though it does more.
- A JPEG is decoded to its luma, all of the file: that is faster than any decoder's colours. A decoder written for
  nothing else (simplejpeg, `pip install simplejpeg opencv-python-headless` to have it timed) takes a tenth less for the
  same luma, of which Pillow's own frame round libjpeg-turbo is the difference.
- Decoding also measures blur, brightness, contrast, entropy and a perceptual hash, in a sandbox. Pillow's
  loop decodes to colours and does no more.
- The floor of an export is the copy of the same samples: as files of their own by `cp`, or out of their tars by `dd`.
  `dd` of one file that has these bytes in one piece is there to show the disk; the two SHA-256 of every byte (each
  sample against its id, the shard for its manifest) alone take as long.
"""


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=SHARED, help="folder of .JPEG files")
    parser.add_argument("--tars", type=int, default=N_TARS, help="tars of 100 photographs; fewer to try the script")
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
        made = [ingest_table(tars, folder), decoder_table(tars), export_table(tars, folder), memory_table(folder)]
        close_executors()
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    libraries = ", ".join(
        f"{library} {version(library)}"
        for library in ("pillow", "pyarrow", "simplejpeg", "opencv-python-headless")
        if installed(library)
    )
    hardware = f"{model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores; {libraries}."
    text = (
        "# Ingest and export against their floors\n\n"
        "How fast shards are read and written, beside the least that could do it: `sha256sum`, a bare Pillow loop, "
        "`cp` and `dd`.\n"
        "Made by `python tests/benchmarks/bench_ingest.py --write`.\n\n"
        f"{hardware} Load average at the start: {load:.1f}.\n\n"
    )
    text += "\n".join(made) + HOW_TO_READ
    print(text)
    if args.write:
        (Path(__file__).parents[2] / "docs" / "evidence" / "ingest-and-export.md").write_text(text)


if __name__ == "__main__":
    main()
