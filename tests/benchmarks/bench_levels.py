"""Which settings of the levels balance best: python tests/benchmarks/bench_levels.py

Long-tailed pools with known classes: class i of a random order has a share of samples ~ i^-tail. Each is clustered and
ranked; the score is the normalised entropy of the class shares of the first 5, 10, 20 and 40 %, on average. Settings
are compared on the same pools: differences to the proposal are taken pool by pool, and se is the standard error of
their mean. Prints one Markdown table. The embeddings of CIFAR-10 are made once and kept in --cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_cifar import embed, read_samples
from sklearn.datasets import load_digits

from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans
from windrow.tasks.algorithms.clustering.level_settings import half_mean_sizes, propose_levels
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.ranking import rank

PREFIXES = (0.05, 0.1, 0.2, 0.4)

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Levels = Callable[[int], tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class Pools:
    """Random pools of one kind, and how many of them. `unit`: whether directions are clustered."""

    name: str
    draw: Callable[[int], tuple[Floats, Labels]]
    n_seeds: int
    unit: int = 0


def geometric(mean_size: float, ratio: float = 4.5, least: int = 2, top: float = 2.0, power: float = 0.4) -> Levels:
    """Levels from n / mean_size down to top n^power clusters; resampling keeps `least` members or more."""

    def levels(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        finest = n / max(mean_size, 10 * (n / 1e5) ** 0.2)
        coarsest = min(top * n**power, finest)
        steps = max(round(np.log(finest / coarsest) / np.log(ratio)), int(finest / coarsest >= 1.4))
        each = (finest / coarsest) ** (1 / max(steps, 1))
        n_clusters = tuple(dict.fromkeys(round(finest / each**step) for step in range(steps + 1)))
        items = (n, *n_clusters[:-1])
        halves = [int(below / k / 2 + 0.5) for below, k in zip(items, n_clusters, strict=True)]
        return n_clusters, tuple(max(least, half) for half in halves)

    return levels


def one_level(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The finest level of the proposal alone."""
    finest = propose_levels(n).n_clusters[:1]
    return finest, half_mean_sizes(n, finest)


def proposal(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What windrow proposes."""
    proposed = propose_levels(n)
    return proposed.n_clusters, proposed.n_resamples


SETTINGS: dict[str, Levels] = {
    "the proposal": proposal,
    "before: mean from 4, top n^0.45, r from 1": geometric(1.0, least=1, top=1.0, power=0.45),
    "mean size 4": geometric(4),
    "mean size 8": geometric(8),
    "mean size 10": geometric(10),
    "ratio 3": geometric(6, ratio=3),
    "ratio 10": geometric(6, ratio=10),
    "r at least 3": geometric(6, least=3),
    "top n^0.45": geometric(6, top=1.0, power=0.45),
    "top n^0.33": geometric(6, top=1.0, power=0.33),
    "one level": one_level,
}


def long_tail(vectors: Floats, labels: Labels, n: int, tail: float, seed: int) -> tuple[Floats, Labels]:
    """About n samples whose classes, in a random order, have shares ~ i^-tail."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.unique(labels))
    weights = np.arange(1, len(classes) + 1) ** -tail
    counts = np.round(n * weights / weights.sum()).astype(int)
    found = (rng.permutation(np.flatnonzero(labels == label)) for label in classes)
    rows = rng.permutation(np.concatenate([rows[:k] for rows, k in zip(found, counts, strict=True)]))
    return vectors[rows], labels[rows]


def mixture(seed: int, n: int = 40_000, dim: int = 256, n_components: int = 200) -> tuple[Floats, Labels]:
    """A Gaussian mixture whose components have weights i^-1.2."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, n_components + 1) ** -1.2
    labels = rng.choice(n_components, n, p=weights / weights.sum())
    vectors = rng.normal(size=(n_components, dim))[labels] + rng.normal(size=(n, dim))
    return vectors.astype(np.float32), labels


def score(vectors: Floats, labels: Labels, levels: Levels, seed: int) -> float:
    """Mean normalised entropy of the class shares of the first samples of the ranking."""
    n_clusters, n_resamples = levels(len(vectors))
    tree = hierarchical_kmeans(vectors, n_clusters, n_resamples=n_resamples, seed=seed)
    place = rank(tree.paths, tree.distance, np.arange(len(vectors)), seed)
    taken = [labels[place <= share * len(vectors)] for share in PREFIXES]
    return float(np.mean([normalised_entropy(np.bincount(each, minlength=labels.max() + 1)) for each in taken]))


def compare(pools: Pools) -> list[str]:
    """A cell for each of the settings: the proposal's entropy +- sd over pools, the others' difference to it +- se."""
    scores = np.empty((len(SETTINGS), pools.n_seeds))
    for seed in range(pools.n_seeds):
        vectors, labels = pools.draw(seed)
        if pools.unit:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        scores[:, seed] = [score(vectors, labels, levels, seed) for levels in SETTINGS.values()]
    rest = scores[1:] - scores[0]
    error = rest.std(axis=1, ddof=1) / np.sqrt(pools.n_seeds)
    cells = [f"{mean:+.3f} ± {se:.3f}" for mean, se in zip(rest.mean(axis=1), error, strict=True)]
    return [f"{scores[0].mean():.3f} (sd {scores[0].std(ddof=1):.3f})", *cells]


def cifar(cache: Path, data: Path, model: str) -> tuple[Floats, Labels]:
    """Embeddings and classes of CIFAR-10, from the cache where they are there."""
    if not cache.exists():
        samples = read_samples(data)
        np.savez(cache, embeddings=embed(model, samples), labels=[sample.label for sample in samples])
    with np.load(cache) as found:
        return found["embeddings"].astype(np.float32), found["labels"].astype(np.int64)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/windrow-cifar10-mobilenet.npz"))
    parser.add_argument("--seeds", type=int, default=40, help="pools of digits; of CIFAR-10 half, of the mixture 3")
    parser.add_argument("--only", default="", help="kinds of pools whose name begins so")
    chosen = parser.parse_args()
    digits = load_digits()
    images = digits.data.astype(np.float32), digits.target
    kinds = []
    for n, tail in ((200, 1.2), (440, 1.2), (790, 0.6), (1400, 0.2)):
        kinds.append(Pools(f"digits {n}", partial(long_tail, *images, n, tail), chosen.seeds))
    if "cifar".startswith(chosen.only[:5]):
        photos = cifar(chosen.cache, chosen.data, chosen.model)
        for n in (1000, 2500):
            draw = partial(long_tail, *photos, n, 1.2)
            kinds += [Pools(f"cifar {n}{' unit' * unit}", draw, max(chosen.seeds // 2, 2), unit) for unit in (0, 1)]
    kinds.append(Pools("mixture 40,000", mixture, min(chosen.seeds, 3)))
    kinds = [pools for pools in kinds if pools.name.startswith(chosen.only)]
    columns = [compare(pools) for pools in kinds]
    print("| settings | " + " | ".join(pools.name for pools in kinds) + " |")
    print("|" + " --- |" * (len(kinds) + 1))
    for row, name in enumerate(SETTINGS):
        print(f"| {name} | " + " | ".join(cells[row] for cells in columns) + " |")


if __name__ == "__main__":
    main()
