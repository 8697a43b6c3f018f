"""The clustering against its peers: python tests/benchmarks/bench_clustering.py [--only TABLE] [--quick] [--write]

Every table is made in one run, all with the same number of threads, which wait without spinning (OMP_WAIT_POLICY):
several libraries in one process otherwise take each other's cores, PyTorch most of all. --quick takes small instances,
to try the script; --embeddings adds a table of real ones; --write puts the tables that were made into
docs/evidence/clustering.md. The goals are the project's, not the peers'.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import clustering_peers as peers
import faiss
import numpy as np
from clustering_features import features
from evidence_page import EVIDENCE, write_places
from flat_clustering import (
    CORES,
    LITERAL_SECONDS,
    component_entropy,
    lloyd,
    mixture,
    say,
    seeding,
    table,
)
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans
from windrow.tasks.algorithms.clustering.kmeans import Iteration, kmeans
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.split_kmeans import split_kmeans
from windrow.tasks.algorithms.clustering.tree_search import assign_by_tree
from windrow.tasks.storage.files.vectors import VectorFile


def hierarchy(quick: bool) -> list[str]:
    """Return the whole hierarchy, against PyTorch to the letter on a smaller instance."""
    rows = []
    small = (1500, 32, (150, 15)) if quick else (8000, 256, (400, 40))
    large = (3000, 32, (200, 20)) if quick else (40_000, 256, (2000, 200))
    for n, d, levels in (small, large):
        points, of = mixture(n, d)
        seconds, entropies = [], []
        for seed in range(3):
            say(f"hierarchy: {n:,} x {d}, ours, seed {seed}")
            started = time.perf_counter()
            tree = hierarchical_kmeans(points, levels, n_resamples=(10, 5), n_rounds=3, seed=seed)
            seconds.append(time.perf_counter() - started)
            entropies.append(component_entropy(tree.paths, tree.distance, of, n // 10))
        ours = float(np.mean(seconds))
        shown = f"{np.mean(entropies):.3f} ± {np.std(entropies):.3f}"
        rows.append((f"{n:,} x {d}", "windrow", f"{ours:.2f}", shown, ""))
        if (n, d, levels) == small:
            say(f"hierarchy: {n:,} x {d}, PyTorch to the letter")
            started = time.perf_counter()
            paths, distance = peers.torch_hierarchy(points, levels, (10, 5), 3, 50, seed=0)
            took = time.perf_counter() - started
            entropy = component_entropy(paths, distance, of, n // 10)
            rows.append(
                (f"{n:,} x {d}", "PyTorch to the letter", f"{took:.1f}", f"{entropy:.3f}", f"{took / ours:.0f}")
            )
        elif not quick:
            rows.append((f"{n:,} x {d}", "PyTorch to the letter, another day", LITERAL_SECONDS, "0.99",
                         f"{LITERAL_SECONDS / ours:.0f}"))  # fmt: skip
    columns = ("points", "by", "seconds", "entropy of a tenth", "its time over ours")
    return [table("The hierarchy: r = (10, 5), 3 rounds (goals: 0.985, and 40 times)", columns, rows)]


def out_of_core(quick: bool) -> list[str]:
    """Return memory and time of a pool in a file, in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path, d = Path(folder, "pool"), 128
        sizes = [20_000, 40_000] if quick else [500_000, 1_000_000, 2_000_000, 5_000_000]
        say(f"out of core: writing {sizes[-1]:,} x {d} float16")
        means = np.random.default_rng(0).normal(size=(200, d))
        with path.open("wb") as file:
            for seed in range(20):
                file.write(mixture(sizes[-1] // 20, d, seed, means)[0].astype(np.float16).tobytes())
        for n in sizes:
            say(f"out of core: {n:,}")
            command = [sys.executable, __file__, "--cluster-file", str(path), str(n), str(d)]
            seconds, per_iteration, peak = subprocess.run(
                command, check=True, capture_output=True, text=True
            ).stdout.split()
            gigabytes = n * d * 2 / 1e9
            rows.append((f"{n:,}", f"{gigabytes:.2f}", f"{int(peak) / 1e6:.2f}", seconds, per_iteration,
                         f"{float(per_iteration) / n * 1e6:.2f}"))  # fmt: skip
    columns = ("points x 128, float16", "GB on disk", "peak resident GB", "seconds in all", "a full iteration",
               "a full iteration per million")  # fmt: skip
    return [table("Out of core: k = 1,000, 5 iterations, memory=1 GB (goal: 1.5 GB at 5 million)", columns, rows)]


def cluster_file(path: str, n: str, d: str) -> None:
    """Cluster a file and print the seconds, those of the first iteration, and the peak of resident memory in kB."""
    points = VectorFile(Path(path), (int(n), int(d)), np.dtype(np.float16))
    times: list[float] = []

    def note(_: Iteration) -> None:
        times.append(time.perf_counter())

    started = time.perf_counter()
    kmeans(points, 1000, n_iters=5, resources=Resources(memory=2**30), progress=note)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(f"{time.perf_counter() - started:.1f} {times[1] - times[0]:.2f} {peak.group(1) if peak else 0}")


def peak(quick: bool) -> list[str]:
    """Return how near assignment comes to the matrix product alone, and what a tree search gives up."""
    a, b = (np.random.default_rng(0).normal(size=(4096, 4096)).astype(np.float32) for _ in range(2))
    peak_rate = 2 * 4096**3 / min(_timed(lambda: a @ b) for _ in range(10))
    rows = []
    for n, d, k in [(5000, 64, 200)] if quick else [(100_000, 768, 1000), (40_000, 256, 2000), (200_000, 64, 1000)]:
        points, centroids = mixture(n, d)[0], mixture(k, d, seed=1)[0]
        index = faiss.IndexFlatL2(d)
        index.add(centroids)
        ways = {
            "windrow assign, exact": partial(assign, points, centroids),
            "Faiss IndexFlatL2": partial(index.search, points, 1),
        }
        for name, work in ways.items():
            say(f"peak: {n:,} x {d}, {name}")
            seconds = min(_timed(work) for _ in range(5))
            rate = 2 * n * k * d / seconds
            shown = (f"{seconds:.3f}", f"{rate / 1e9:.0f}", f"{rate / peak_rate:.2f}")
            rows.append((f"{n:,} x {d}, k = {k:,}", name, *shown))
    title = f"Assignment, of a matrix product's {peak_rate / 1e9:.0f} GFLOP/s (numpy, {CORES} threads)"
    return [table(title, ("points", "by", "seconds", "GFLOP/s", "of the peak"), rows), _gpu(), *tree_search(quick)]


def _gpu() -> str:
    """Return how near the kernel and the whole assignment come to a bfloat16 product: three make one of ours."""
    import torch

    if not torch.cuda.is_available():
        return "On a GPU: not measured, none was there.\n"
    from windrow.tasks.algorithms.clustering.fused_search import best_two

    def peak(left: torch.Tensor, right: torch.Tensor) -> float:
        def product() -> None:
            torch.mm(left, right.T)
            torch.cuda.synchronize()

        return 2 * len(left) * len(right) * left.shape[1] / min(_timed(product) for _ in range(5))

    square = torch.randn(8192, 8192, device="cuda").bfloat16()
    most = peak(square, square)
    lines = [f"On {torch.cuda.get_device_name()}, of a bfloat16 matrix product's {most / 1e12:.0f} TFLOP/s:\n"]
    for n, d, k in [(1_000_000, 256, 10_000), (1_000_000, 1024, 100_000)]:
        x, weights = (torch.randn(rows, 3 * d, device="cuda").bfloat16() for rows in (min(n, 65_536), k))
        half, none = torch.zeros(k, device="cuda"), torch.full((len(x),), -1, device="cuda")

        def fused(x: torch.Tensor = x, weights: torch.Tensor = weights, half: torch.Tensor = half) -> None:
            best_two(x, weights, half, none)  # noqa: B023 as it is called at once
            torch.cuda.synchronize()

        kernel = 6 * len(x) * k * d / min(_timed(fused) for _ in range(5))
        points, centroids = mixture(n, d)[0], mixture(k, d, seed=1)[0]
        seconds = min(_timed(lambda p=points, c=centroids: assign(p, c, resources=Resources("cuda"))) for _ in range(2))
        whole = 6 * n * k * d / seconds
        lines.append(
            f"- {n:,} x {d} to {k:,}: the kernel alone {kernel / most:.2f}, points on the host to exact assignment"
            f" {seconds:.2f} s, {whole / most:.2f}"
        )
    return "\n".join(lines) + "\n"


def tree_search(quick: bool) -> list[str]:
    """Return the recall of a search over groups of centroids against the exact one."""
    n, d, k = (4000, 32, 1000) if quick else (200_000, 64, 20_000)
    points, _ = mixture(n, d)
    say(f"tree search: {k:,} centroids in two steps")
    started = time.perf_counter()
    centroids = split_kmeans(points, k, seed=0, n_iters=10)
    made = time.perf_counter() - started
    started = time.perf_counter()
    nearest, exact = assign(points, centroids)
    full = time.perf_counter() - started
    rows = [("exact", "1", f"{full:.2f}", "1.0", "1")]
    for n_probe in (1, 2, 4, 8, 16):
        started = time.perf_counter()
        found, distance = assign_by_tree(points, centroids, n_probe=n_probe)
        seconds = time.perf_counter() - started
        worse = float(np.square(distance, dtype=np.float64).sum() / np.square(exact, dtype=np.float64).sum())
        rows.append((f"{n_probe} groups", f"{np.mean(found == nearest):.4f}", f"{seconds:.2f}", f"{full / seconds:.1f}",
                     f"{worse:.4f}"))  # fmt: skip
    title = f"Search over groups of centroids: {n:,} x {d} to {len(centroids):,} (made in two steps in {made:.1f} s)"
    columns = ("searched", "recall", "seconds (groups made too)", "times as fast", "inertia over exact")
    return [table(title, columns, rows)]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


TABLES = {"lloyd": lloyd, "seeding": seeding, "hierarchy": hierarchy, "out-of-core": out_of_core, "peak": peak}


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*TABLES, "features"], action="append")
    parser.add_argument("--embeddings", type=Path, help=".npz of real `embeddings`, for a table of them")
    parser.add_argument("--quick", action="store_true", help="small instances, to try the script")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/clustering.md")
    parser.add_argument("--cluster-file", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cluster_file:
        cluster_file(*args.cluster_file)
        return
    if os.environ.get("OMP_WAIT_POLICY") != "PASSIVE":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
    if args.write and args.quick:
        parser.error("--write: only of tables at their full size")
    tables = {**TABLES, **({"features": lambda _: features(args.embeddings)} if args.embeddings else {})}
    if args.only and "features" in set(args.only) - set(tables):
        parser.error("--only features: wants --embeddings")
    data = "Points: a mixture of 200 Gaussians, weights i^-1.2, means and noise N(0, I), float32 unless said otherwise."
    load = f"Load average at the start: {os.getloadavg()[0]:.1f}."
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "faiss-cpu", "scikit-learn", "torch"))
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    hardware = f"{model.group(1) if model else platform.machine()}, {CORES} cores; {libraries}; {CORES} threads each."
    machine = f"{hardware}\n{load} {data}\n"
    with threadpool_limits(CORES):
        made = {name: "\n".join(tables[name](args.quick)) for name in args.only or tables}
    print("\n".join([machine, *made.values()]))
    if args.write:
        write_places(EVIDENCE / "clustering.md", made if args.only else {"machine": machine, **made})


if __name__ == "__main__":
    main()
