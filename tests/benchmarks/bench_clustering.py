"""The clustering against its peers: python tests/benchmarks/bench_clustering.py [--only TABLE] [--quick] [--write]

Every table is made in one run, all with the same number of threads, which wait without spinning (OMP_WAIT_POLICY):
several libraries in one process otherwise take each other's cores, PyTorch most of all. --quick takes small instances,
to try the script; --write puts the tables into docs/evidence/clustering.md. The goals are the
project's, not the peers'.
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
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import clustering_peers as peers
import faiss
import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.cluster import kmeans_plusplus
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans, resample
from windrow.tasks.algorithms.clustering.kmeans import Iteration, kmeans
from windrow.tasks.algorithms.clustering.nearest import State, assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.seeding import seed_blocks
from windrow.tasks.algorithms.clustering.split_kmeans import split_kmeans
from windrow.tasks.algorithms.clustering.tree_search import assign_by_tree
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.ranking import rank
from windrow.tasks.storage.files.vectors import VectorFile

CORES = len(os.sched_getaffinity(0))
LITERAL_SECONDS = 987  # the literal reference on the hierarchy of `hierarchy`, on another day
say = Console(stderr=True).log
Labels = npt.NDArray[np.int64]


def mixture(n: int, d: int, seed: int = 0, means: npt.NDArray[np.float64] | None = None) -> tuple[Float32Array, Labels]:
    """200 Gaussians, means N(0, I), noise N(0, I), weights i^-1.2; and the Gaussian of each point."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, 201) ** -1.2
    of = rng.choice(200, n, p=weights / weights.sum())
    means = rng.normal(size=(200, d)) if means is None else means
    return (means[of] + rng.normal(size=(n, d))).astype(np.float32), of


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table under a title."""
    lines = [" | ".join(columns), "|".join("---" for _ in columns), *(" | ".join(map(str, row)) for row in rows)]
    return f"## {title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def inertia_of(points: Float32Array, centroids: Float32Array) -> float:
    """The sum of squared distances to the nearest centroid, by `assign`, which is checked on 1,000 rows."""
    nearest, distance = assign(points, centroids.astype(np.float32))
    rows = np.random.default_rng(0).choice(len(points), min(1000, len(points)), replace=False)
    for start in range(0, len(rows), 50):
        some = rows[start : start + 50]
        exact = np.square(points[some, None].astype(np.float64) - centroids).sum(axis=2)
        assert np.array_equal(exact.argmin(axis=1), nearest[some]), "assign is not exact"
    return float(np.square(distance, dtype=np.float64).sum())


def lloyd(quick: bool) -> list[str]:
    """Return k-means against its peers, from the same seeds and from its own."""
    same: list[Sequence[object]] = []
    own: list[Sequence[object]] = []
    sizes = [(4000, 32, 200)] if quick else [(40_000, 256, 2000), (200_000, 64, 1000), (100_000, 768, 1000)]
    for n, d, k in sizes:
        points, _ = mixture(n, d)
        name = f"{n:,} x {d}, k = {k:,}"
        init = points[np.random.default_rng(7).choice(n, k, replace=False)].copy()
        makers = (peers.windrow, peers.faiss_kmeans, peers.sklearn_kmeans, peers.torch_lloyd)
        fits = {}
        for maker in makers:
            say(f"lloyd, {name}: {maker.__name__}, 10 iterations from the same seeds")
            fits[maker] = min((maker(points, k, 10, init=init) for _ in range(2)), key=lambda fit: fit.seconds)
        base = fits[peers.faiss_kmeans].seconds
        for maker, fit in fits.items():
            inertia = inertia_of(points, fit.centroids)
            speed = f"{base / fit.seconds:.2f}"
            same.append((name, maker.__name__, f"{fit.seconds:.2f}", fit.n_iters, f"{inertia:.5g}", speed))
        converging = (*makers[:3], peers.faiss_super_kmeans)
        for maker in converging:
            say(f"lloyd, {name}: {maker.__name__}, to convergence")
            fits[maker] = maker(points, k, 300 if maker is peers.sklearn_kmeans else 100)
        goal = inertia_of(points, fits[peers.faiss_kmeans].centroids)
        theirs = fits[peers.faiss_kmeans]
        for maker in converging:
            fit = fits[maker]
            reached = fit.seconds_to(1.005 * goal) if fit.course else float("nan")
            own.append((
                name, maker.__name__, f"{fit.seconds:.2f}", fit.n_iters, f"{inertia_of(points, fit.centroids):.5g}",
                f"{theirs.seconds / fit.seconds:.2f}", f"{reached:.2f}", f"{theirs.seconds / reached:.2f}",
                f"{theirs.seconds_to(1.005 * goal) / reached:.2f}",
            ))  # fmt: skip
    columns = ("points", "by", "seconds", "iterations", "inertia", "Faiss's time over this")
    more = ("seconds to within 0.5 % of Faiss's last inertia", "Faiss's whole time over that",
            "Faiss's time to there over that")  # fmt: skip
    return [
        table(
            "Ten iterations from the same uniform seeds, fewer where nothing changes (goal: never below 0.9)",
            columns,
            same,
        ),
        table(
            "To convergence, each from its own seeds, Faiss's and scikit-learn's uniform (goal: 3)",
            (*columns, *more),
            own,
        ),
    ]


def component_entropy(paths: npt.NDArray[np.int32], distance: Float32Array, of: Labels, target: int) -> float:
    """Normalised entropy of the components' shares in the balanced sample of a size."""
    chosen = rank(paths, distance, np.arange(len(of)), seed=0) <= target
    return normalised_entropy(np.bincount(of[chosen], minlength=200))


Seeds = Callable[[Float32Array, int, int], Float32Array]


def rounds(points: Float32Array, levels: Sequence[int], sizes: Sequence[int], seeds: Seeds, warm: bool, seed: int):  # type: ignore[no-untyped-def]
    """Return paths and distances of a hierarchy with other seeds than ours, or rounds from the last centroids."""
    items, paths, finest = points, [], np.empty(0, np.float32)
    for level, (k, r) in enumerate(zip(levels, sizes, strict=True)):
        centroids = kmeans(items, k, init=seeds(items, k, seed + 10 * level)).centroids
        for number in range(1, 4):
            nearest, distance = assign(items, centroids)
            sample = items[resample(nearest, distance, r, "closest", 0)]
            init = centroids if warm else seeds(sample, min(k, len(sample)), seed + 10 * level + number)
            centroids = kmeans(sample, len(init), init=init).centroids
        nearest, distance = assign(items, centroids)
        paths.append(nearest if not paths else nearest[paths[-1]])
        finest = distance if level == 0 else finest
        items = centroids
    return np.stack(paths, axis=1).astype(np.int32), finest


def uniform(points: Float32Array, k: int, seed: int) -> Float32Array:
    """Rows at random."""
    return points[np.random.default_rng(seed).choice(len(points), k, replace=False)].copy()


def greedy(points: Float32Array, k: int, seed: int, **how: int) -> Float32Array:
    """Seeds of greedy k-means++ alone, as `kmeans` begins."""
    blocks = Blocks(points, Resources())
    with blocks.working():
        return seed_blocks(blocks, k, State.of(blocks.n, blocks.resources), seed=seed, **how)


def seeding(quick: bool) -> list[str]:
    """Return what seeds cost and what they are worth."""
    n, d, k = (3000, 32, 200) if quick else (40_000, 256, 2000)
    levels, sizes, target = (k, k // 10), (10, 5), n // 10
    points, of = mixture(n, d)
    ways: dict[str, Seeds] = {
        "ours: greedy k-means++ on samples": greedy,
        "greedy k-means++ to the letter": lambda x, k, seed: greedy(x, k, seed, n_sampled=len(x)),
        "k-means++, one candidate": lambda x, k, seed: greedy(x, k, seed, n_candidates=1, n_sampled=len(x)),
        "rows at random": uniform,
        "scikit-learn's kmeans_plusplus": lambda x, k, seed: kmeans_plusplus(x, k, random_state=seed)[0],
    }
    rows = []
    for name, seeds in ways.items():
        figures = []
        for seed in range(1 if name.startswith("scikit") else 3):
            say(f"seeding: {name}, seed {seed}")
            started = time.perf_counter()
            first = seeds(points, k, seed)
            seconds = time.perf_counter() - started
            after = kmeans(points, k, init=first).inertia
            entropy = np.nan
            if not name.startswith("scikit"):
                entropy = component_entropy(*rounds(points, levels, sizes, seeds, False, seed), of, target)
            figures.append((seconds, inertia_of(points, first), after, entropy))
        rows.append((name, *_summary(figures)))
    ours = ways["ours: greedy k-means++ on samples"]
    warm = [component_entropy(*rounds(points, levels, sizes, ours, True, seed), of, target) for seed in range(3)]
    flat = [kmeans(points, k, seed=seed) for seed in range(3)]
    balanced = [component_entropy(fit.assignment[:, None], fit.distance, of, target) for fit in flat]
    random = [
        normalised_entropy(np.bincount(np.random.default_rng(seed).choice(of, target, replace=False), minlength=200))
        for seed in range(3)
    ]
    for name, entropies in (
        ("ours, rounds from the last centroids", warm),
        (f"flat k-means, {k:,} clusters, balanced", balanced),
        ("a random sample", random),
    ):
        rows.append((name, "", "", "", f"{np.mean(entropies):.3f} ± {np.std(entropies):.3f}"))
    title = f"Seeds: {n:,} x {d}, k = {k:,}; a hierarchy {levels}, r = {sizes}, 3 rounds, {target:,} taken; 3 seeds"
    columns = ("seeds", "seconds", "inertia of the seeds", "inertia after Lloyd", "entropy of the hierarchy's sample")
    return [table(title, columns, rows)]


def _summary(figures: Sequence[Sequence[float]]) -> list[str]:
    mean, sd = np.mean(figures, axis=0), np.std(figures, axis=0)
    shown = [f"{mean[0]:.2f}", f"{mean[1]:.5g}", f"{mean[2]:.5g}"]
    return [*shown, f"{mean[3]:.3f} ± {sd[3]:.3f}" if np.isfinite(mean[3]) else ""]


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
    parser.add_argument("--only", choices=TABLES, action="append")
    parser.add_argument("--quick", action="store_true", help="small instances, to try the script")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/clustering.md")
    parser.add_argument("--cluster-file", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cluster_file:
        cluster_file(*args.cluster_file)
        return
    if os.environ.get("OMP_WAIT_POLICY") != "PASSIVE":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
    if args.write and (args.quick or args.only):
        parser.error("--write: only of all tables at their full size")
    data = "Points: a mixture of 200 Gaussians, weights i^-1.2, means and noise N(0, I), float32 unless said otherwise."
    load = f"Load average at the start: {os.getloadavg()[0]:.1f}."
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "faiss-cpu", "scikit-learn", "torch"))
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    hardware = f"{model.group(1) if model else platform.machine()}, {CORES} cores; {libraries}; {CORES} threads each."
    with threadpool_limits(CORES):
        made = [part for name in args.only or TABLES for part in TABLES[name](args.quick)]
    text = (
        "# The clustering against its peers\n\n"
        "How fast Windrow's k-means and hierarchy are, and how good, beside Faiss, scikit-learn and PyTorch "
        "in the same run.\n"
        "Made by `python tests/benchmarks/bench_clustering.py --write`.\n\n"
        f"{hardware}\n{load} {data}\n\n" + "\n".join(made)
    )
    print(text)
    if args.write:
        (Path(__file__).parents[2] / "docs" / "evidence" / "clustering.md").write_text(text)


if __name__ == "__main__":
    main()
