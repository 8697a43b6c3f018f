"""What labels lose when makers do not learn anew: python tests/benchmarks/bench_refit.py --embeddings FILE.npz

The file has `embeddings` (n, d) and `labels` (n,), as `bench_cifar.embed` makes them. Of pools of 3,000 of them, with 20
labels a class, a share came after the fit, with its share of the labels: these samples' predictions are those of their
neighbours (`labels.refit: grown`), or of makers that learnt anew. Differences are taken pool by pool, with 95 %
intervals over the pools. The limit of `labels.refit` was chosen on seeds 0 to 5, the table is of others.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.cores.harmonic_extension import extend_predictions
from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

N, K, N_LABELS, FIRST_SEED = 3000, 20, 20, 100
NAMES = LabelsConfig().combine
Made = Mapping[str, MakerPredictions]


def fitted(embeddings: npt.NDArray[np.float32], graph: NeighborGraph, labels: Int64Array, n_classes: int) -> Made:
    """What the default makers say when they learn of all."""
    pool = LabelPool(embeddings, n_classes, graph)
    return {name: predict(MAKERS[name]().fit(pool), labels, n_classes) for name in NAMES}


def grown(before: Made, graph: NeighborGraph, labels: Int64Array, old: BoolArray) -> Made:
    """What they said of the old samples, and the new ones hear."""
    found = {}
    for name, said in before.items():
        pool = np.zeros((len(labels), said.pool.shape[1]), np.float32)
        pool[old] = said.pool
        pool = extend_predictions(graph, pool, old)
        held_out = pool.copy()
        held_out[old & (labels >= 0)] = said.held_out
        found[name] = MakerPredictions(pool, held_out[labels >= 0])
    return found


def judged(made: Made, labels: Int64Array, truth: Int64Array, new: BoolArray) -> list[float]:
    """Right of the new samples without a label, their mean log loss, and right of the old ones."""
    found = combine_predictions(made, labels, NAMES)
    rows, others = np.flatnonzero(new & (labels < 0)), np.flatnonzero(~new & (labels < 0))
    right = found.most_probable == truth
    sure: Float32Array = found.confidence[rows, truth[rows]]
    return [float(right[rows].mean()), float(-np.log(np.maximum(sure, 1e-6)).mean()), float(right[others].mean())]


def compared(embeddings: npt.NDArray[np.float32], truth: Int64Array, share: float, seed: int) -> list[float]:
    """The figures of a pool, learnt anew and grown."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(embeddings), N, replace=False)
    embeddings, truth, n_classes = embeddings[rows], truth[rows], int(truth.max()) + 1
    old, labels = np.ones(N, np.bool_), np.full(N, -1, np.int64)
    old[rng.choice(N, int(N * share), replace=False)] = False
    for label in range(n_classes):
        labels[rng.choice(np.flatnonzero(truth == label), N_LABELS, replace=False)] = label
    graph = neighbor_graph(embeddings, K)
    anew = fitted(embeddings, graph, labels, n_classes)
    before = fitted(embeddings[old], neighbor_graph(embeddings[old], K), labels[old], n_classes)
    extended = grown(before, graph, labels, old)
    return judged(anew, labels, truth, ~old) + judged(extended, labels, truth, ~old)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, help="an .npz of embeddings and labels")
    parser.add_argument("--seeds", type=int, default=8, help="pools")
    chosen = parser.parse_args()
    with np.load(chosen.embeddings) as arrays:
        embeddings, truth = arrays["embeddings"].astype(np.float32), arrays["labels"].astype(np.int64)
    print("| new | what | learnt anew | grown | difference |\n|---|---|---|---|---|")
    for share in (0.01, 0.02, 0.05):
        seeds = range(FIRST_SEED, FIRST_SEED + chosen.seeds)
        found = np.array([compared(embeddings, truth, share, seed) for seed in seeds])
        for column, what in enumerate(("new samples right", "log loss of new samples", "old samples right")):
            apart = found[:, column + 3] - found[:, column]
            wide = t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart))
            anew, kept = found[:, column].mean(), found[:, column + 3].mean()
            print(f"| {share:.0%} | {what} | {anew:.3f} | {kept:.3f} | {apart.mean():+.3f} ± {wide:.3f} |", flush=True)


if __name__ == "__main__":
    main()
