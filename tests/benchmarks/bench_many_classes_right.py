"""How right labels of many classes are, listed and of all classes: python tests/benchmarks/bench_many_classes_right.py

Long-tailed synthetic pools, one for each of five seeds: 2,000 samples of 150 classes, three labels a class, 64
dimensions. The makers of the default with strength 2, combined and decided both ways; what both start from is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from bench_label_scale import table

from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, SpreadLabels, combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.label_propagation import LabelPropagation
from windrow.tasks.algorithms.labels.makers.smoothed_probe import SmoothedProbe
from windrow.tasks.algorithms.labels.makers.smoothed_prototypes import SmoothedPrototypes
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import cross_fit_listed
from windrow.tasks.algorithms.labels.many_classes.spread_rows import ListedPredictions, combine_listed
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

MAKERS = {
    "propagation": LabelPropagation(),
    "smoothed": SmoothedPrototypes(2.0),
    "smoothed_probe": SmoothedProbe(strength=2.0),
}
N, N_CLASSES, LABELS, DIM, K, LISTED, FOLDS, SEEDS = 2000, 150, 3, 64, 15, 64, 3, 5
STUDENT = 2.776  # of 95 % and five seeds
WHAT = ("pseudo", "pseudo, classes alike", "most_probable", "labelled at 0.8", "of these right", "CPU s")


def of_all(pool: LabelPool, labels: np.ndarray) -> SpreadLabels:
    """What was stored before: the most probable classes of dense predictions, dense again."""
    said = {}
    for name, maker in MAKERS.items():
        found = predict(maker.fit(pool), labels, N_CLASSES, FOLDS)
        kept = (SparseProbabilities.of(each, LISTED).dense() for each in (found.pool, found.held_out))
        said[name] = MakerPredictions(*kept)
    return combine_predictions(said, labels, list(said))


def listed(pool: LabelPool, labels: np.ndarray) -> SpreadLabels:
    said = {}
    for name, maker in MAKERS.items():
        found = maker.fit_listed(pool)
        held_out = cross_fit_listed(found, labels, N_CLASSES, FOLDS)
        said[name] = ListedPredictions(found(labels, np.arange(len(labels))), held_out)
    return combine_listed(said, labels, list(said))


def shares(way: Callable[[LabelPool, np.ndarray], SpreadLabels], seed: int) -> list[float]:
    """What WHAT names, of one pool."""
    rng = np.random.default_rng(seed)
    sizes = 1 / np.arange(1, N_CLASSES + 1) ** 0.5
    others = rng.choice(N_CLASSES, N - LABELS * N_CLASSES, p=sizes / sizes.sum())
    truth = np.concatenate([np.repeat(np.arange(N_CLASSES), LABELS), others])
    points = 0.5 * rng.standard_normal((N_CLASSES, DIM))[truth] + rng.standard_normal((N, DIM))
    labels = np.where(np.arange(N) < LABELS * N_CLASSES, truth, -1).astype(np.int64)
    embeddings = points.astype(np.float32)
    n_listed = LISTED if way is listed else None
    pool = LabelPool(embeddings, N_CLASSES, neighbor_graph(embeddings, K), n_listed=n_listed)
    started = time.process_time()
    spread = way(pool, labels)
    decision = decide(spread.confidence, Fixed(), spread.label, Evidence(labels))
    seconds = time.process_time() - started
    asked = labels < 0
    right, sure = spread.label == truth, asked & ~decision.abstained
    alike = [right[asked & (truth == each)].mean() for each in np.unique(truth[asked])]
    most = spread.most_probable == truth
    found = [right[asked].mean(), np.mean(alike), most[asked].mean(), sure.sum() / asked.sum(), right[sure].mean()]
    return [*(100 * float(each) for each in found), seconds]


def main() -> None:
    """Print the table."""
    dense, few = (np.array([shares(way, seed) for seed in range(SEEDS)]) for way in (of_all, listed))
    apart = few - dense
    wide = STUDENT * apart.std(axis=0, ddof=1) / np.sqrt(SEEDS)
    rows = [
        [what, f"{dense[:, at].mean():.1f}", f"{few[:, at].mean():.1f}", f"{apart[:, at].mean():+.1f} ± {wide[at]:.1f}"]
        for at, what in enumerate(WHAT)
    ]
    print(table(["%", "all classes", "listed", "difference"], rows))


if __name__ == "__main__":
    main()
