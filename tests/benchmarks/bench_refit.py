"""What labels lose when makers are not tuned and judged anew: python tests/benchmarks/bench_refit.py --embeddings F.npz

The file has `embeddings` (n, d) and `labels` (n,), as `bench_cifar.embed` makes them. Of pools of 2,000, with 20 labels
a class, a share came after the fit, and with it its labels. Makers learn from all, but with the settings and the
judgement of the samples before (`labels.refit: grown`, when somebody runs it), or keep what they said of these and say
only what the new ones are (a night), or are tuned and judged anew. Differences are taken pool by pool,
with 95 % intervals over the pools.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from intervals import told

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

N, K, N_LABELS, FIRST_SEED = 2000, 20, 20, 100
NAMES = LabelsConfig().combine
Made = Mapping[str, MakerPredictions]


@dataclass(frozen=True)
class Fit:
    """Makers as tuned, and what they say."""

    makers: Mapping[str, Maker]
    said: Made


def fitted(embeddings: npt.NDArray[np.float32], graph: NeighborGraph, labels: Int64Array, n_classes: int) -> Fit:
    """The default makers, tuned and judged by all labels."""
    pool = LabelPool(embeddings, n_classes, graph)
    makers = {name: MAKERS[name]().tuned(pool, labels) for name in NAMES}
    return Fit(makers, {name: predict(maker.fit(pool), labels, n_classes) for name, maker in makers.items()})


def grown(before: Fit, pool: LabelPool, labels: Int64Array, old: BoolArray) -> Made:
    """What they say of all, judged as before on the old samples."""
    found = {}
    for name, maker in before.makers.items():
        say = maker.fit(pool)
        held_out, came = np.zeros((len(labels), pool.n_classes), np.float32), ~old & (labels >= 0)
        held_out[old & (labels >= 0)] = before.said[name].held_out
        held_out[came] = say(np.where(came, -1, labels), np.flatnonzero(came))
        found[name] = MakerPredictions(say(labels, np.arange(len(labels))), held_out[labels >= 0])
    return found


def kept(before: Fit, pool: LabelPool, labels: Int64Array, old: BoolArray) -> Made:
    """What they said of the old samples, and what they say of the new ones."""
    found, new = {}, np.flatnonzero(~old)
    for name, maker in before.makers.items():
        said, apart = (np.zeros((len(labels), pool.n_classes), np.float32) for _ in range(2))
        said[old] = apart[old] = before.said[name].pool
        apart[old & (labels >= 0)] = before.said[name].held_out
        said[new], apart[new] = (maker.of_new(pool, each, new, said) for each in (labels, np.where(old, labels, -1)))
        found[name] = MakerPredictions(said, apart[labels >= 0])
    return found


def judged(made: Made, labels: Int64Array, truth: Int64Array, new: BoolArray) -> list[float]:
    """Right of the new samples without a label, their mean log loss, and right of the old ones."""
    found = combine_predictions(made, labels, NAMES)
    rows, others = np.flatnonzero(new & (labels < 0)), np.flatnonzero(~new & (labels < 0))
    right = found.most_probable == truth
    sure: Float32Array = found.confidence[rows, truth[rows]]
    return [float(right[rows].mean()), float(-np.log(np.maximum(sure, 1e-6)).mean()), float(right[others].mean())]


def compared(embeddings: npt.NDArray[np.float32], truth: Int64Array, share: float, seed: int) -> list[float]:
    """The figures of a pool: learnt anew, grown, and kept."""
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
    extended = grown(before, LabelPool(embeddings, n_classes, graph), labels, old)
    by_fit = kept(before, LabelPool(embeddings, n_classes, graph), labels, old)
    return [value for made in (anew.said, extended, by_fit) for value in judged(made, labels, truth, ~old)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, help="an .npz of embeddings and labels")
    parser.add_argument("--seeds", type=int, default=6, help="pools")
    chosen = parser.parse_args()
    with np.load(chosen.embeddings) as arrays:
        embeddings, truth = arrays["embeddings"].astype(np.float32), arrays["labels"].astype(np.int64)
    print("| new | what | anew | grown | difference | kept | difference |\n|---|---|---|---|---|---|---|")
    for share in (0.02, 0.1):
        seeds = range(FIRST_SEED, FIRST_SEED + chosen.seeds)
        found = np.array([compared(embeddings, truth, share, seed) for seed in seeds])
        for column, what in enumerate(("new samples right", "log loss of new samples", "old samples right")):
            cells = [f"{share:.0%}", what, f"{found[:, column].mean():.3f}"]
            for how in (3, 6):
                apart = found[:, column + how] - found[:, column]
                cells += [f"{found[:, column + how].mean():.3f}", told(apart, 3, "+")]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
