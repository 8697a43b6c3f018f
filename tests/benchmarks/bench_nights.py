"""What a night costs that brings little: CPU seconds of each piece of work, of a first run and of nights after it.

    python tests/benchmarks/bench_nights.py [--sizes 10000 40000] [--nights first "1 % new"] [--memory-gb 4]
    python tests/benchmarks/bench_nights.py --sizes 18000 --pictures ../shared/data/cifar10-20k

The pool is drawn: pictures of 128 grey pixels, which a backbone of the bench's own takes as the embedding (rectified
Gaussian mixtures: 100 clusters in 10 classes), so that what follows features is measured. 5 % of them have a label, as
have the new ones; 5 % are nearly copies. --pictures: real ones instead, embedded by the default backbone, which is most
of a first run then. Every run is a process of its own with one thread and its work inline: the
first run, a night with nothing new, one with 1 % new, and one with 12 % more, in which what the others keep is made
anew. CPU is the whole process's, its start included; memory is
the most that it held. docs/evidence/nights.md has the tables.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import re
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console

from windrow.tasks.config import parse_config
from windrow.tasks.pipeline import curate_tonight
from windrow.tasks.runner import Call, PlainRunner

HEIGHT, WIDTH = 8, 16
N_CLUSTERS, N_CLASSES = 100, 10
SHARD = 5000
COPIES, LABELLED = 0.05, 0.05
NIGHTS = {"first": 0.0, "nothing new": 0.0, "1 % new": 0.01, "12 % more": 0.12}
"""What share of the first pool comes before each."""
say = Console(stderr=True).log


class Pixels:
    """A backbone whose embedding is the picture."""

    dim = HEIGHT * WIDTH

    def __init__(self, config: Any) -> None:
        del config

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """The grey pixels."""
        return np.asarray(image.convert("L").resize((WIDTH, HEIGHT)))

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The same as floats."""
        return batch.reshape(len(batch), -1).astype(np.float32) / 64


def drawn(n: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pixels (n, 128) and classes (n,)."""
    centres = np.random.default_rng(0).standard_normal((N_CLUSTERS, HEIGHT * WIDTH))
    rng = np.random.default_rng(seed)
    cluster = rng.integers(N_CLUSTERS, size=n)
    points = np.maximum(centres[cluster] + rng.standard_normal((n, HEIGHT * WIDTH)), 0)
    pixels = np.minimum(points * 64, 250).astype(np.uint8)
    copies = np.flatnonzero(rng.random(n) < COPIES)
    of = rng.integers(n, size=len(copies))
    pixels[copies], cluster[copies] = pixels[of] + rng.integers(0, 3, (len(copies), 1), dtype=np.uint8), cluster[of]
    return pixels, cluster % N_CLASSES


def write_shards(folder: Path, n: int, seed: int) -> None:
    """Write tars of drawn pictures, every twentieth with its class."""
    pixels, classes = drawn(n, seed)

    def picture(row: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels[row].reshape(HEIGHT, WIDTH)).save(out, "PNG", compress_level=1)
        return out.getvalue()

    _write_shards(folder, seed, picture, classes)


def _write_shards(folder: Path, seed: int, picture: Callable[[int], bytes], classes: npt.NDArray[np.int64]) -> None:
    n = len(classes)
    labelled = np.random.default_rng(seed + 1).random(n) < LABELLED
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, n, SHARD):
        with tarfile.open(folder / f"{seed}-{start // SHARD:04d}.tar", "w") as tar:
            for row in range(start, min(start + SHARD, n)):
                _add(tar, f"{seed}-{row:08d}.png", picture(row))
                if labelled[row]:
                    _add(tar, f"{seed}-{row:08d}.cls", str(classes[row]).encode())


class Pictures:
    """Real pictures in an order of their own: each goes into one night."""

    def __init__(self, data: Path) -> None:
        from bench_cifar import read_samples

        samples = read_samples(data)
        self._rest = [samples[row] for row in np.random.default_rng(0).permutation(len(samples))]

    def write_shards(self, folder: Path, n: int, seed: int) -> None:
        """Write tars of the next n, every twentieth with its class. Raises SystemExit where so many are not left."""
        if n > len(self._rest):
            raise SystemExit(f"--pictures: {n:,} more are wanted, {len(self._rest):,} are left: take smaller --sizes")
        now, self._rest = self._rest[:n], self._rest[n:]
        _write_shards(folder, seed, lambda row: now[row].data, np.array([each.label for each in now]))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


class MeasuringRunner(PlainRunner):
    """Counts the CPU seconds of every kind of work, and the most memory, in GB, that the process had meanwhile."""

    def __init__(self) -> None:
        super().__init__(n_threads=1, delays=())
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}

    def map(self, calls: Sequence[Call], finished: Callable[[Any], None]) -> list[Any]:
        """See `Runner.map`, one after another."""
        found = []
        for call in calls:
            Path("/proc/self/clear_refs").write_text("5")  # the most memory is counted from here
            before = _cpu()
            found.append(call.run())
            name = call.label if call.work.name == "predict-labels" else call.work.words
            self.seconds[name] = self.seconds.get(name, 0.0) + _cpu() - before
            self.memory[name] = max(self.memory.get(name, 0.0), _most_memory())
            finished(found[-1])
        for name in dict.fromkeys(call.work.words for call in calls):
            say(f"{name}: {_cpu():,.0f} s of CPU until now")
        return found


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _most_memory() -> float:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e9 if found else np.nan


def config_of(folder: Path, n: int, memory_gb: float | None, drawn: bool) -> dict[str, Any]:
    """The settings: defaults, but for the memory, what keeps a run in this process and, of drawn pictures, the
    backbone."""
    return {
        **({"memory_gb": memory_gb} if memory_gb else {}),
        "sources": [str(folder / "pool")],
        "name": "nights",
        "store": str(folder / "store"),
        "executor": {"kind": "inline"},
        **({"features": {"name": "python:bench_nights:Pixels"}} if drawn else {}),
        "ingest": {"least_share_of_last": 0.0},
        "selection": {"target_size": n // 5},
    }


def run_night(folder: Path, n: int, memory_gb: float | None, drawn: bool) -> None:
    """Run a night in this process, and print what it took."""
    runner = MeasuringRunner()
    curate_tonight(parse_config(config_of(folder, n, memory_gb, drawn)), runner)
    say({name: round(value, 2) for name, value in runner.memory.items()})
    print(json.dumps({"seconds": runner.seconds, "memory": runner.memory}))


def cost_of(folder: Path, n: int, memory_gb: float | None, pictures: Path | None = None) -> dict[str, Any]:
    """Run a night in a process of its own; return its parts, `total` CPU seconds, `wall` seconds and `peak` GB."""
    told, started = folder / "told.json", time.monotonic()
    process = os.fork()
    if not process:
        with told.open("w") as out:
            os.dup2(out.fileno(), 1)
            words = [sys.executable, __file__, "--night", str(folder), str(n), "--memory-gb", str(memory_gb or 0)]
            words += ["--pictures", str(pictures)] if pictures else []
            os.execve(sys.executable, words, _environment())
    _, status, used = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"the run ended with {os.waitstatus_to_exitcode(status)}")
    found: dict[str, Any] = json.loads(told.read_text().splitlines()[-1])
    wall = time.monotonic() - started
    return {**found, "total": used.ru_utime + used.ru_stime, "wall": wall, "peak": used.ru_maxrss * 1024 / 1e9}


def _environment() -> dict[str, str]:
    """One thread, and the package compiled but once, as it is where it is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def measured(
    n: int, folder: Path, nights: Sequence[str], memory_gb: float | None, pictures: Path | None
) -> dict[str, dict[str, Any]]:
    """Run the nights at a size, one after another."""
    costs = {}
    write = Pictures(pictures).write_shards if pictures else write_shards
    if not (folder / "pool").exists():
        write(folder / "pool", n, seed=1)
    for number, (night, new) in enumerate(NIGHTS.items()):
        if night not in nights:
            continue
        if new:
            write(folder / "pool", int(n * new), seed=100 * number)
        say(f"{n:,} samples: {night}")
        costs[night] = cost_of(folder, n, memory_gb, pictures)
        say({name: round(value, 2) for name, value in costs[night]["seconds"].items()})
        say({name: round(costs[night][name], 2) for name in ("total", "wall", "peak")})
    return costs


def table(n: int, costs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a size's table."""
    yield f"\n## {n:,} samples\n"
    first = next(iter(costs.values()))
    yield "| piece of work | " + " | ".join(f"{night}, CPU s" for night in costs) + " | most memory, GB |"
    yield "|---" * (len(costs) + 2) + "|"
    for name in first["seconds"]:
        cells = [f"{each['seconds'].get(name, 0):.2f}" for each in costs.values()]
        yield f"| {name} | " + " | ".join([*cells, f"{first['memory'][name]:.2f}"]) + " |"
    for name, what in (("total", "the whole process"), ("wall", "wall seconds"), ("peak", "most memory, GB")):
        yield f"| {what} | " + " | ".join(f"{each[name]:.2f}" for each in costs.values()) + " | |"
    if "first" not in costs:
        return
    shares = (f"{each['total'] / first['total']:.1%}" for each in costs.values())
    yield "| share of the first run | " + " | ".join(shares) + " | |"


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 40_000], help="samples")
    parser.add_argument("--nights", nargs="+", default=list(NIGHTS), choices=NIGHTS, help="which, the first run first")
    parser.add_argument("--memory-gb", type=float, default=0, help="the setting `memory_gb`; 0: its default")
    parser.add_argument("--pictures", type=Path, help="a folder of real ones, as bench_cifar.py reads it")
    parser.add_argument("--folder", type=Path, help="keep pools and stores there")
    parser.add_argument("--night", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.night:
        run_night(Path(chosen.night[0]), int(chosen.night[1]), chosen.memory_gb or None, not chosen.pictures)
        return
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    lines = [f"{model[1] if model else platform.machine()}, {cores} cores; load average at the start {load:.1f}."]
    with tempfile.TemporaryDirectory(prefix="windrow-bench-") as name:
        for n in chosen.sizes:
            folder = (chosen.folder or Path(name)) / str(n)
            lines += table(n, measured(n, folder, chosen.nights, chosen.memory_gb or None, chosen.pictures))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
