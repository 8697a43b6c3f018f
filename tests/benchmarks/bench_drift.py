"""Whether drift is seen where it is and only there, and what a refit keeps: python tests/benchmarks/bench_drift.py

Directions of scikit-learn's digits, of the embeddings of CIFAR-10 (--cifar: an .npz of `embeddings`, float16 or float32
(n, d), and `labels`, which `bench_cifar.embed` makes; left out without), and mixtures of Gaussians. The limits in
`DriftLimits` and the rounds of a refit are judged by these tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.drift import Drift, measure_drift
from windrow.tasks.algorithms.clustering.frozen_tree import FrozenTree, freeze_hierarchy, place, share_unchanged
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy, hierarchical_kmeans
from windrow.tasks.algorithms.clustering.level_settings import grown_levels, half_mean_sizes, propose_levels
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.ranking import rank

UNSEEN = (8, 9)
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Samples with their true classes."""

    name: str
    points: Float32Array
    labels: Labels

    def at(self, rows: Int64Array) -> Pool:
        """Some of them."""
        return Pool(self.name, self.points[rows], self.labels[rows])


def directions(name: str, points: npt.NDArray[np.floating], labels: Labels) -> Pool:  # type: ignore[type-arg]
    unit = points.astype(np.float32)
    return Pool(name, unit / np.linalg.norm(unit, axis=1, keepdims=True), labels.astype(np.int64))


def read_pools(cifar: Path) -> Iterator[Pool]:
    """Digits, and CIFAR-10 where its embeddings are."""
    digits = load_digits()
    yield directions("digits", digits.data, digits.target)
    if cifar.exists():
        with np.load(cifar) as arrays:
            yield directions("CIFAR-10", arrays["embeddings"], arrays["labels"])


def fit(points: Float32Array, seed: int, n_rounds: int = 3) -> Hierarchy:
    """With the levels that a pool of this size is given."""
    levels = propose_levels(len(points)).n_clusters
    sizes = half_mean_sizes(len(points), levels)
    return hierarchical_kmeans(points, levels, n_resamples=sizes, n_rounds=n_rounds, seed=seed)


def drift_of(points: Float32Array, frozen: FrozenTree) -> Drift:
    """Place samples, and measure."""
    placed = place(points, frozen)
    return measure_drift(points, placed.paths[:, 0], placed.distance, frozen)


def _row(name: str, what: str, drifts: Sequence[Drift]) -> tuple[str, ...]:
    ratio = np.mean([drift.mean_distance / drift.expected_distance for drift in drifts])
    far = [drift.share_far for drift in drifts]
    regions = [drift.n_new_regions for drift in drifts]
    refits = sum(drift.refit for drift in drifts)
    spread = f"{np.mean(far):.2%} ({min(far):.2%} to {max(far):.2%})"
    return name, what, f"{drifts[0].n_new:,}", spread, f"{ratio:.3f}", f"{regions}", f"{refits} of {len(drifts)}"


def more_of_the_same(pool: Pool, seeds: int) -> Iterator[tuple[str, ...]]:
    """Two thirds make the tree, a third comes: below the growth at which any pool is fitted again."""
    drifts = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(pool.points))
        cut = 2 * len(order) // 3
        drifts.append(drift_of(pool.points[order[cut + 1 :]], freeze_hierarchy(fit(pool.points[order[:cut]], seed))))
    yield _row(pool.name, "the same classes", drifts)


def two_new_classes(pool: Pool, seeds: int) -> Iterator[tuple[str, ...]]:
    """Trees of eight classes; new samples with a share of the other two."""
    trees = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        known = rng.permutation(np.flatnonzero(~np.isin(pool.labels, UNSEEN)))
        unseen = rng.permutation(np.flatnonzero(np.isin(pool.labels, UNSEEN)))
        cut = 3 * len(known) // 4
        trees.append((freeze_hierarchy(fit(pool.points[known[:cut]], seed)), known[cut:], unseen))
    for share in (0.0, 0.01, 0.1, 0.5):
        drifts = []
        for frozen, known, unseen in trees:
            n_unseen = min(round(share * len(known)), len(unseen))
            n_known = round(n_unseen / share) - n_unseen if share else len(known)
            drifts.append(drift_of(pool.points[np.concatenate([known[:n_known], unseen[:n_unseen]])], frozen))
        yield _row(pool.name, f"{share:.0%} of two new classes", drifts)


def mixtures(sizes: Sequence[int], dims: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """More samples of the same 50 Gaussians, many to a finest cluster: 100 clusters whatever the size."""
    for d in dims:
        for n in sizes:
            rng = np.random.default_rng(d)
            means = 3 * rng.normal(size=(50, d))
            points = (means[rng.integers(0, 50, n)] + rng.normal(size=(n, d))).astype(np.float32)
            cut = 7 * n // 10
            tree = hierarchical_kmeans(points[:cut], (100, 20), n_rounds=1, n_iters=10, seed=0)
            yield _row(f"mixture, d = {d}", "the same", [drift_of(points[cut:], freeze_hierarchy(tree))])


def matched(before: Int32Array, after: Int32Array) -> float:
    """The share of samples whose cluster kept its number, after the best renumbering (Kuhn 1955)."""
    table = np.zeros((int(before.max()) + 1, int(after.max()) + 1), np.int64)
    np.add.at(table, (before, after), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(before))


def refits(pool: Pool, seeds: int) -> Iterator[tuple[str, ...]]:
    """A long-tailed pool whose last third is new: kept, fitted again from the old tree, and afresh."""
    ways: dict[str, Callable[[Pool, Hierarchy, int], Hierarchy]] = {
        "kept": lambda both, old, _: place(both.points, freeze_hierarchy(old)),
        **{f"from the old tree, {n} rounds": _again(n) for n in (1, 3, 10)},
        "afresh, 10 rounds": lambda both, _, seed: fit(both.points, seed + 100, 10),
    }
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for seed in range(seeds):
        rows = _long_tail(pool.labels, seed)
        both, n_old = pool.at(rows), 2 * len(rows) // 3
        old = fit(both.points[:n_old], seed, 10)
        for name, way in ways.items():
            started = time.perf_counter()
            new = way(both, old, seed)
            figures[name].append((*_kept(old, new, n_old), *_quality(new, both), time.perf_counter() - started))
    for name, found in figures.items():
        mean, sd = np.mean(found, axis=0), np.std(found, axis=0)
        shown = f"{mean[4]:.4f} ± {sd[4]:.4f}"
        yield pool.name, name, *(f"{x:.1%}" for x in mean[:4]), shown, f"{mean[5]:.4g}", f"{mean[6]:.1f}"


def _again(n_rounds: int) -> Callable[[Pool, Hierarchy, int], Hierarchy]:
    def again(both: Pool, old: Hierarchy, seed: int) -> Hierarchy:
        n, start = len(both.points), [level.centroids for level in old.levels]
        levels = grown_levels([len(centroids) for centroids in start], n / len(old.paths))
        sizes = half_mean_sizes(n, levels)
        return hierarchical_kmeans(
            both.points, levels, n_resamples=sizes, n_rounds=n_rounds, seed=seed + 100, start=start
        )

    return again


def _long_tail(labels: Labels, seed: int) -> Int64Array:
    """Rows of which class i keeps 100^(-i/9) of what the smallest class has, in random order."""
    rng = np.random.default_rng(seed)
    most = int(np.bincount(labels).min())
    kept = [
        rng.permutation(np.flatnonzero(labels == label))[: max(int(most * 100 ** (-label / 9)), 1)]
        for label in range(10)
    ]
    return rng.permutation(np.concatenate(kept))


def _kept(old: Hierarchy, new: Hierarchy, n_old: int) -> tuple[float, ...]:
    finest, top = ((old.paths[:, level], new.paths[:n_old, level]) for level in (0, -1))
    return share_unchanged(*finest), matched(*finest), share_unchanged(*top), matched(*top)


def _quality(tree: Hierarchy, pool: Pool) -> tuple[float, float]:
    """Evenness of the classes in the best tenth, over ten orders of clusters; and the inertia of the finest level."""
    n = len(pool.labels)
    ranks = (rank(tree.paths, tree.distance, np.arange(n), seed=seed) for seed in range(10))
    even = [normalised_entropy(np.bincount(pool.labels[ranking <= n // 10], minlength=10)) for ranking in ranks]
    return float(np.mean(even)), tree.levels[0].inertia


def show(title: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    """Print a Markdown table, a row as soon as it is known."""
    print(f"\n## {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, default=Path("/tmp/windrow-cifar10-mobilenet.npz"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="digits alone and small mixtures, to try the script")
    chosen = parser.parse_args()
    pools = list(read_pools(Path() / "none" if chosen.quick else chosen.cifar))
    columns = ("pool", "new samples", "n", "far (expected 1 %)", "distance over expected", "regions", "refit")
    show("More of the same", columns, (row for pool in pools for row in more_of_the_same(pool, chosen.seeds)))
    sizes, dims = ([10_000], [2]) if chosen.quick else ([10_000, 100_000, 300_000], [2, 4, 16])
    show("More of the same, many to a cluster", columns, mixtures(sizes, dims))
    show("New classes", columns, (row for pool in pools for row in two_new_classes(pool, chosen.seeds)))
    kept = ("finest kept", "renumbered", "top kept", "renumbered")
    columns = ("pool", "tree", *kept, "evenness of a tenth", "inertia", "seconds")
    show("A third is new", columns, (row for pool in pools for row in refits(pool, chosen.seeds)))


if __name__ == "__main__":
    main()
