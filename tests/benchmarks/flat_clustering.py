"""k-means and its seeding against their peers: the tables of `bench_clustering.py` of one level."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

import clustering_peers as peers
import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.cluster import kmeans_plusplus

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.hierarchy import resample
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.clustering.nearest import State, assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.seeding import seed_blocks
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.ranking import rank

CORES = len(os.sched_getaffinity(0))
LITERAL_SECONDS = 987  # the literal reference on the hierarchy of `hierarchy`, on another day
say = Console(stderr=True).log
Labels = npt.NDArray[np.int64]
Seeds = Callable[[Float32Array, int, int], Float32Array]


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
