"""Which order finds samples of a class that nobody named yet: python tests/benchmarks/bench_new_classes.py [--write]

Two or three classes of a pool are left without a label, of the others 10 samples each are given; every score orders
the samples without a label. Pools: scikit-learn's digits, and 200 of each class of CIFAR-10 by --embeddings. Beside
`belonging` are `outlier_score` and three published scores, each by the given labels alone: Mahalanobis (Lee et al.
2018, one covariance for all classes, shrunk by Ledoit and Wolf), energy (Liu et al. 2020, of a logistic regression) and
ViM (Wang et al. 2022, the energy and the part of a sample beyond the labelled ones' leading directions). AUROC, and how
many of the first 50 are of a new class; mean and standard error over the seeds. --write puts the table into
docs/evidence/new-classes.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evidence_page import EVIDENCE, write_places
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.deciding.belonging import nearness
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.algorithms.neighbors.outliers import knn_outlier_score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
N_EACH, N_FIRST, K = 10, 50, 20
Score = Callable[[npt.NDArray[np.float32], Ints], Floats]


def ours(pool: npt.NDArray[np.float32], given: Ints) -> Floats:
    """What the p-value `belonging` is made of, without its ties; low: new."""
    return nearness(pool, neighbor_graph(pool, K), given)[0].astype(np.float64)


def outlier(pool: npt.NDArray[np.float32], _: Ints) -> Floats:
    """The column `outlier_score`, turned round."""
    return -knn_outlier_score(neighbor_graph(pool, K)).astype(np.float64)


def mahalanobis(pool: npt.NDArray[np.float32], given: Ints) -> Floats:
    """Minus the squared distance to the nearest class mean."""
    units, rows = unit_rows(pool)[0].astype(np.float64), np.flatnonzero(given >= 0)
    classes = np.unique(given[rows])
    means = np.array([units[given == c].mean(axis=0) for c in classes])
    within = units[rows] - means[np.searchsorted(classes, given[rows])]
    precision = LedoitWolf(assume_centered=True).fit(within).precision_
    away = units[:, None] - means[None]
    return np.asarray(-((away @ precision) * away).sum(axis=2).min(axis=1))


def logits_of(pool: npt.NDArray[np.float32], given: Ints) -> Floats:
    """Of a logistic regression on the labelled samples."""
    units, rows = unit_rows(pool)[0], np.flatnonzero(given >= 0)
    return np.asarray(LogisticRegression(C=10, max_iter=2000).fit(units[rows], given[rows]).decision_function(units))


def energy(pool: npt.NDArray[np.float32], given: Ints) -> Floats:
    """log sum exp of the logits."""
    return np.asarray(logsumexp(logits_of(pool, given), axis=1))


def vim(pool: npt.NDArray[np.float32], given: Ints) -> Floats:
    """The energy less the residual, scaled so that both are alike on the labelled samples."""
    units, rows, logits = unit_rows(pool)[0].astype(np.float64), np.flatnonzero(given >= 0), logits_of(pool, given)
    centred = units - units[rows].mean(axis=0)
    n_leading = min(len(rows) // 2, units.shape[1] // 2)
    leading = np.linalg.svd(centred[rows], full_matrices=False)[2][:n_leading]
    residual = np.linalg.norm(centred - centred @ leading.T @ leading, axis=1)
    scale = logits[rows].max(axis=1).mean() / max(residual[rows].mean(), 1e-12)
    return np.asarray(logsumexp(logits, axis=1) - scale * residual)


SCORES: dict[str, Score] = {
    "**Windrow's `belonging`**": ours,
    "Windrow's `outlier_score`": outlier,
    "Mahalanobis": mahalanobis,
    "energy": energy,
    "ViM": vim,
}


def pools(embeddings: Path | None, seed: int) -> Iterator[tuple[str, npt.NDArray[np.float32], Ints]]:
    """Yield pools of every kind: name, embeddings and truth."""
    digits = load_digits()
    yield "digits", digits.data.astype(np.float32), digits.target.astype(np.int64)
    if embeddings:
        with np.load(embeddings) as file:
            points, truth = file["embeddings"], file["labels"].astype(np.int64)
        rng = np.random.default_rng([seed, 1])
        rows = np.sort(np.concatenate([rng.permutation(np.flatnonzero(truth == c))[:200] for c in range(10)]))
        yield "CIFAR-10", points[rows].astype(np.float32), truth[rows]


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="an .npz of `embeddings` and `labels` of CIFAR-10")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="write docs/evidence/new-classes.md")
    args = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for seed in range(300, 300 + args.seeds):
        for kind, pool, truth in pools(args.embeddings, seed):
            rng = np.random.default_rng([seed, 2])
            new = np.isin(truth, rng.choice(10, 2 + seed % 2, replace=False))
            given = np.full(len(truth), -1, np.int64)
            for c in np.unique(truth[~new]):
                given[rng.permutation(np.flatnonzero(truth == c))[:N_EACH]] = c
            hidden = given < 0
            for name, score in SCORES.items():
                value = score(pool, given)[hidden]
                first = new[hidden][np.argsort(value, kind="stable")[:N_FIRST]].mean()
                found[kind, name].append((float(roc_auc_score(~new[hidden], value)), float(first)))
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    head = ["", *(f"{kind}: {what}" for kind in kinds for what in ("AUROC", f"new among the first {N_FIRST}, %"))]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for name in SCORES:
        cells = []
        for kind in kinds:
            values = np.array(found[kind, name])
            mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
            cells += [f"{mean[0]:.3f} ± {error[0]:.3f}", f"{100 * mean[1]:.0f} ± {100 * error[1]:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    drawn = f"{args.seeds} draws; {N_EACH} labelled samples of each class that is named.\n"
    text = "\n".join([drawn, *lines])
    print(text)
    if args.write:
        write_places(EVIDENCE / "new-classes.md", {"table": text})


if __name__ == "__main__":
    main()
