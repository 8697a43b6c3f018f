"""Time and memory of graphs and label methods as the pool grows: python tests/benchmarks/bench_label_scale.py [--write]

Synthetic pools: 128 dimensions, 100 Gaussian clusters in 10 classes, 100 labels a class. Every method at every size
runs in a process of its own, which reads the pool and the graph, so that its peak memory is its own. Seconds are those
of the processor, all threads together. A method that would take longer than --limit of them at a size, if it were
linear, is not measured there. --only NAME measures one method, --sizes sets others than 20,000, 100,000 and 500,000.
--write puts all into docs/evidence/label-scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from evidence_page import EVIDENCE, write_places
from rich.console import Console

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.label_quality import quality_of
from windrow.tasks.algorithms.labels.deciding.belonging import belonging
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.judging.judged_labels import JudgedLabels
from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, combine_predictions
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.approximate_neighbors import approximate_neighbor_graph
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

SIZES = (20_000, 100_000, 500_000)
DIM, N_CLUSTERS, N_CLASSES, N_LABELS = 128, 100, 10, 100
K, K_CHECKS = 20, 50  # neighbours that makers and that checks look at
WRONG = 0.2  # share of the labels that checks judge
EXACT, APPROXIMATE, BELONGING, DECIDE = "exact graph", "approximate graph", "belonging", "combining and deciding"
CHECK = "check "
METHODS = (
    *(EXACT, APPROXIMATE, *(name for name in MAKERS if name not in ("zero_shot", "sources")), DECIDE, BELONGING),
    *(f"{CHECK}{name}" for name in ("label_quality", *CHECKS)),
)
say = Console(stderr=True).log


@dataclass(frozen=True)
class Cost:
    """Of one method at one size: CPU seconds, MB before it began and at its peak; recall: of a graph that has one."""

    seconds: float
    start_mb: float
    peak_mb: float
    recall: float | None = None


def make_pool(n: int, path: Path) -> None:
    """Write `embeddings` float16 (n, d), `few` labels (100 a class, else -1) and `all` labels, some wrong."""
    rng = np.random.default_rng(n)
    cluster = rng.integers(N_CLUSTERS, size=n)
    centres = rng.standard_normal((N_CLUSTERS, DIM), dtype=np.float32)
    embeddings = np.empty((n, DIM), dtype=np.float16)
    for start in range(0, n, 8192):
        own = centres[cluster[start : start + 8192]]
        embeddings[start : start + 8192] = own + rng.standard_normal(own.shape, dtype=np.float32)
    truth = (cluster % N_CLASSES).astype(np.int64)
    few = np.full(n, -1, dtype=np.int64)
    for label in range(N_CLASSES):
        few[rng.choice(np.flatnonzero(truth == label), N_LABELS, replace=False)] = label
    wrong = rng.random(n) < WRONG
    shifted = (truth + rng.integers(1, N_CLASSES, size=n)) % N_CLASSES
    np.savez(path, embeddings=embeddings, few=few, all=np.where(wrong, shifted, truth))


def work_of(method: str, pool: Mapping[str, npt.NDArray[Any]], graph: NeighborGraph | None) -> Callable[[], object]:
    """Return what is timed."""
    embeddings, few = pool["embeddings"], pool["few"]
    if method == EXACT:
        return lambda: neighbor_graph(embeddings, K_CHECKS)
    if method == APPROXIMATE:
        return lambda: approximate_neighbor_graph(embeddings, K_CHECKS)
    assert graph is not None
    if method == BELONGING:
        return lambda: belonging(embeddings, graph, few)
    if method == DECIDE:
        return deciding(few)
    if method.startswith(CHECK):
        given = JudgedLabels(embeddings, pool["all"], N_CLASSES, made={"neighbors": graph})
        checks = {f"{CHECK}{name}": kind() for name, kind in CHECKS.items()}
        return (lambda: checks[method].judge(given)) if method in checks else (lambda: quality_of(given))
    graph = NeighborGraph(graph.indices[:, :K].copy(), graph.similarity[:, :K].copy())
    pool = LabelPool(embeddings, N_CLASSES, graph)
    return lambda: MAKERS[method]().fit(pool)(few, np.arange(len(few)))


def deciding(few: npt.NDArray[np.int64]) -> Callable[[], object]:
    """Calibrating, combining and deciding, of predictions of three makers that are there."""
    rng = np.random.default_rng(0)
    labelled = np.flatnonzero(few >= 0)
    said = {}
    for name in LabelsConfig().combine:
        scores = rng.standard_normal((len(few), N_CLASSES), dtype=np.float32)
        scores[labelled, few[labelled]] += 1
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        said[name] = MakerPredictions(shares, shares[labelled])

    def work() -> None:
        spread = combine_predictions(said, few, LabelsConfig().combine)
        decide(spread.confidence, Fixed(), spread.label, Evidence(few, spread.corrected.held_out))

    return work


def measure(method: str, folder: Path, n: int) -> None:
    """Run a method in this process and print its cost; the approximate graph is kept for those that need one."""
    with np.load(folder / f"pool-{n}.npz") as arrays:
        pool = {name: arrays[name] for name in arrays.files}
    graph = None
    if method not in (EXACT, APPROXIMATE):
        with np.load(folder / f"graph-{n}.npz") as arrays:
            graph = NeighborGraph(arrays["indices"], arrays["similarity"])
    for library in ("faiss", "torch", "scipy.optimize", "scipy.sparse.linalg"):
        import_module(library)  # else the first size pays for what is imported on first use
    work, before, started = work_of(method, pool, graph), most_memory(), time.process_time()
    found: Any = work()
    seconds, peak, recall = time.process_time() - started, most_memory(), None
    if method == APPROXIMATE:
        recall = found.recall
        np.savez(folder / f"graph-{n}.npz", indices=found.graph.indices, similarity=found.graph.similarity)
    print(json.dumps({"seconds": seconds, "start_mb": before, "peak_mb": peak, "recall": recall}))


def most_memory() -> float:
    """Return the most memory that this process has had, in MB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else np.nan


def cost_of(method: str, folder: Path, n: int) -> Cost | None:
    """Measure in a process of its own; None where that was killed, which the table shows."""
    say(f"{method}: {n:,} rows")
    words = [sys.executable, __file__, "--measure", method, str(folder), str(n)]
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if ended.returncode > 0:
        raise RuntimeError(f"{method} at {n:,} rows ended with {ended.returncode}")
    return Cost(**json.loads(ended.stdout)) if ended.returncode == 0 else None


def growth(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the exponent e of seconds ~ n^e: the least-squares slope of their logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def row(method: str, sizes: Sequence[int], costs: Mapping[int, Cost | None]) -> list[str]:
    """Return the cells of a method: three for each size, and the exponent of growth."""
    cells = [method]
    for n in sizes:
        cost = costs.get(n)
        if cost is None:
            cells += ["killed" if n in costs else "-", "-", "-"]
        else:
            cells += [f"{cost.seconds:.1f}", f"{cost.seconds / n * 1e6:,.0f}", f"{cost.peak_mb:,.0f}"]
    known = {n: cost.seconds for n, cost in costs.items() if cost}
    return [*cells, f"{growth(list(known), list(known.values())):.2f}" if len(known) > 1 else "-"]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [" | ".join(columns), "|".join("---" for _ in columns), *(" | ".join(cells) for cells in rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def expected(costs: Mapping[int, Cost | None], n: int) -> float:
    """Return the seconds that a method should take for n rows if it is linear; 0 where nothing is known."""
    known = {size: cost.seconds for size, cost in costs.items() if cost}
    return known[max(known)] / max(known) * n if known else np.inf if costs else 0.0


def measured(
    methods: Sequence[str], sizes: Sequence[int], folder: Path, limit: float
) -> dict[str, dict[int, Cost | None]]:
    """Measure methods at all sizes; the graph that label methods read is measured anyway."""
    costs: dict[str, dict[int, Cost | None]] = {method: {} for method in METHODS}
    for n in sizes:
        make_pool(n, folder / f"pool-{n}.npz")
        for method in METHODS:
            wanted = method in methods or (method == APPROXIMATE and set(methods) - {EXACT})
            if wanted and expected(costs[method], n) <= limit:
                costs[method][n] = cost_of(method, folder, n)
    return {method: by_size for method, by_size in costs.items() if by_size}


def report(sizes: Sequence[int], costs: Mapping[str, Mapping[int, Cost | None]], load: float, limit: float) -> str:
    """Return the table, what it was made with, and what its processes had before they began."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch", "faiss-cpu"))
    hardware = f"{model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores; {libraries}."
    columns = ["method", *(f"{n:,}: {what}" for n in sizes for what in ("CPU s", "s/million", "peak MB")), "growth"]
    found = {n: cost for n, cost in costs.get(APPROXIMATE, {}).items() if cost and cost.recall is not None}
    recall = ", ".join(f"{cost.recall:.3f} of {n:,}" for n, cost in found.items())
    starts = {n: max(by_size[n].start_mb for by_size in costs.values() if by_size.get(n)) for n in sizes}  # type: ignore[union-attr]
    return (
        f"{hardware} Load average at the start: {load:.1f}.\n\n"
        f"{DIM} dimensions, {N_CLUSTERS} clusters in {N_CLASSES} classes, k = {K_CHECKS}. "
        f"Recall of the approximate graph: {recall}.\n\n"
        + table(columns, [row(method, sizes, by_size) for method, by_size in costs.items()])
        + f"\nThe limit: {limit:,.0f} s. At the start: "
        + ", ".join(f"{mb:,.0f} MB with {n:,} rows" for n, mb in starts.items()) + ".\n"
    )  # fmt: skip


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="rows")
    parser.add_argument("--limit", type=float, default=600, help="seconds, of one method at one size")
    parser.add_argument("--only", choices=METHODS, help="measure one method, and the graph where it needs one")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/label-scale.md")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure[0], Path(chosen.measure[1]), int(chosen.measure[2]))
        return
    if chosen.write and chosen.only:
        parser.error("--write is for all methods, not for --only")
    load = os.getloadavg()[0]
    sizes = sorted(chosen.sizes)
    with tempfile.TemporaryDirectory(prefix="windrow-bench-") as name:
        costs = measured([chosen.only] if chosen.only else METHODS, sizes, Path(name), chosen.limit)
    text = report(sizes, costs, load, chosen.limit)
    print(text)
    if chosen.write:
        write_places(EVIDENCE / "label-scale.md", {"measured": text})


if __name__ == "__main__":
    main()
