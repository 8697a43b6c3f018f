"""What near-duplicates cost, and how few pairs are compared: python tests/benchmarks/bench_duplicates.py NPZ...

Each NPZ holds `embeddings` (n, d) and `labels`, as `bench_cifar.embed` makes them. Larger pools are these and, around
them, x + (y - z) / 2 for two others y and z of the class of x: no images, but as spread as images are. `drawn` is the
pool of `bench_nights`, where 5 % are nearly copies. Each figure is of a process of its own with one thread: CPU seconds
from when the embeddings are in memory, and the most memory beyond these. Up to --all-pairs samples are also compared
with all kept ones (`near_duplicates`), and by a range search of Faiss; pruning must find the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import torch
from bench_nights import drawn
from rich.console import Console
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.algorithms.neighbors.pruned_duplicates import pruned_duplicates

Embeddings = npt.NDArray[np.float16]
DRAWN = "drawn"
THRESHOLDS = (0.95, 0.8)
BLOCK = 10_000
say = Console(stderr=True).log


@dataclass(frozen=True)
class Cost:
    """What a search found, in CPU seconds, GB beyond the embeddings, and pairs compared."""

    found: Any
    seconds: float
    memory: float
    n_compared: int = 0


def pool(name: str, n: int) -> Embeddings:
    """Embeddings (n, d) of a pool."""
    if name == DRAWN:
        return (drawn(n, 1)[0] / 64).astype(np.float16)
    with np.load(name) as file:
        real, labels = file["embeddings"].astype(np.float32), file["labels"]
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    order = np.argsort(labels, kind="stable")
    starts, sizes = np.searchsorted(labels[order], np.unique(labels)), np.unique(labels, return_counts=True)[1]
    rng = np.random.default_rng(0)
    found = np.empty((n, real.shape[1]), np.float16)
    found[: len(real)] = real[:n]
    for start in range(len(real), n, BLOCK):
        x = rng.integers(len(real), size=min(BLOCK, n - start))
        y, z = (order[starts[labels[x]] + rng.integers(sizes[labels[x]])] for _ in range(2))
        found[start : start + len(x)] = real[x] + (real[y] - real[z]) / 2
    return found


def pruned(points: Embeddings, threshold: float, priority: npt.NDArray[np.int64]) -> tuple[Any, int]:
    """What a run does beyond 100,000 samples."""
    found = pruned_duplicates(points, threshold, priority=priority)
    return found.duplicate_of, found.n_compared


def all_pairs(points: Embeddings, threshold: float, priority: npt.NDArray[np.int64]) -> tuple[Any, int]:
    """What it did before."""
    found = near_duplicates(points, threshold, priority=priority)
    return found.duplicate_of, found.n_compared


def range_search(points: Embeddings, threshold: float, priority: npt.NDArray[np.int64]) -> tuple[Any, int]:
    """Faiss's exact search of all pairs, in float32; who is kept is not decided."""
    del priority
    rows = points.astype(np.float32)
    faiss.normalize_L2(rows)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return len(index.range_search(rows, threshold)[1]), len(rows) ** 2


def measured(search: Callable[..., tuple[Any, int]], name: str, n: int, threshold: float) -> Cost:
    """Run a search in this process."""
    points = pool(name, n)
    priority = np.random.default_rng(1).permutation(n)
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # the most memory is counted from here
    memory, started = _memory("VmRSS"), time.process_time()
    with threadpool_limits(1):
        found, n_compared = search(points, threshold, priority)
    return Cost(found, time.process_time() - started, _memory("VmHWM") - memory, n_compared)


def alone(search: Callable[..., tuple[Any, int]], *args: Any) -> Cost:
    """Run it in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        cost = workers.apply(measured, (search, *args))
    say(search.__name__, *args, f"{cost.seconds:.1f} s, {cost.memory:.2f} GB, {cost.n_compared:,} pairs")
    return cost


def _memory(field: str) -> float:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e6 if found else np.nan


def table(name: str, sizes: list[int], most: int, threshold: float) -> Iterator[str]:
    """The lines of a pool at a threshold."""
    head = "| samples | dropped | pairs compared | CPU s | exponent | memory, GB | all pairs, CPU s | Faiss, CPU s |"
    yield f"\n**{Path(name).stem}, threshold {threshold:g}**\n\n{head}\n{'|---' * 8}|"
    before: tuple[int, float] | None = None
    for n in sizes:
        cost = alone(pruned, name, n, threshold)
        others = ["", ""]
        if n <= most:
            every = alone(all_pairs, name, n, threshold)
            if not np.array_equal(every.found, cost.found):
                raise RuntimeError(f"{name}, {n:,} samples, threshold {threshold}: pruning finds other near-duplicates")
            others = [f"{each.seconds:.1f}" for each in (every, alone(range_search, name, n, threshold))]
        exponent = f"{np.log(cost.seconds / before[1]) / np.log(n / before[0]):.2f}" if before else ""
        before = n, cost.seconds
        share = cost.n_compared / (n * (n - 1) / 2)
        cells = (f"{n:,}", f"{np.sum(cost.found >= 0):,}", f"{share:.4%}", f"{cost.seconds:.1f}", exponent)
        yield f"| {' | '.join((*cells, f'{cost.memory:.2f}', *others))} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", help="files of embeddings")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000, 300_000], help="samples")
    parser.add_argument("--all-pairs", type=int, default=20_000, help="the largest pool of which all are compared")
    chosen = parser.parse_args()
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(
        f"{model[1] if model else platform.machine()}, {cores} cores; load average at the start {load:.1f}.", flush=True
    )
    for name in (*chosen.encoders, DRAWN):
        for threshold in THRESHOLDS:
            for line in table(name, chosen.sizes, chosen.all_pairs, threshold):
                print(line, flush=True)


if __name__ == "__main__":
    main()
