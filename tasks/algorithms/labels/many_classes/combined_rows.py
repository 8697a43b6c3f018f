"""What several makers say together of many classes: the weighted geometric mean of rows that list some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.combining import combination
from windrow.tasks.algorithms.labels.combining.calibration import label_weights
from windrow.tasks.algorithms.labels.combining.maker_weights import DEVIATION
from windrow.tasks.algorithms.labels.many_classes.listed_rows import (
    joined,
    log_excess,
    row_max,
    row_sums,
    softmax_of,
    summed,
)
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, SparseProbabilities

if TYPE_CHECKING:
    from scipy import sparse


def geometric_mean(said: Sequence[SparseProbabilities], weights: Sequence[float], k: int) -> SparseProbabilities:
    """`ensemble` with mean 'geometric' of listed rows: the k most probable classes. A block of rows at a time."""
    shares = np.asarray(weights, np.float32) / np.float32(sum(weights))
    parts = []
    for block in row_blocks(len(said[0])):
        scores = [log_excess(each.take(block)) * share for each, share in zip(said, shares, strict=True)]
        parts.append(softmax_of(summed(scores), k))
    return joined(parts, min(k, said[0].n_classes), said[0].n_classes)


def maker_weights(
    held_out: Sequence[SparseProbabilities], labels: Int64Array, prior: Sequence[float], deviation: float = DEVIATION
) -> Float64Array:
    """`maker_weights.maker_weights` of listed rows."""
    from scipy.optimize import minimize

    n_classes = held_out[0].n_classes
    counts = np.bincount(labels, minlength=n_classes)
    rows = np.flatnonzero(counts[labels] > 1)
    start = np.asarray(np.asarray(prior, np.float64) / np.sum(prior))
    if not len(rows):
        return start
    balance = np.divide(1.0, counts, out=np.zeros(n_classes), where=counts > 1)
    logs = [log_excess(each.take(rows)) for each in held_out]
    objective = _Stacked(logs, labels[rows], label_weights(labels[rows], balance, n_classes))

    def penalised(powers: Float64Array) -> tuple[float, Float64Array]:
        loss, gradient = objective(powers)
        away = (powers - start) / deviation
        return loss + 0.5 * float((away**2).sum()), gradient + away / deviation

    options = {"maxiter": 1000, "gtol": 1e-7, "ftol": 1e-13}
    bounds = [(0, None)] * len(start)
    powers = np.asarray(minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
    return np.asarray(powers / powers.sum()) if powers.any() else start


class _Stacked:
    """Makers' scores of the classes that any of them lists: float64 (n_makers, entries), rows one after the other."""

    def __init__(self, logs: Sequence[sparse.csr_array], targets: Int64Array, weights: Float64Array) -> None:
        n_classes = logs[0].shape[1]
        keys = [_row_of(each.indptr) * n_classes + each.indices for each in logs]
        entries = np.unique(np.concatenate(keys))
        self.scores = np.zeros((len(logs), len(entries)))
        for place, (key, each) in enumerate(zip(keys, logs, strict=True)):
            self.scores[place, np.searchsorted(entries, key)] = each.data
        self.row, self.weights, self.n_classes = entries // n_classes, weights, n_classes
        self.starts = np.searchsorted(self.row, np.arange(len(targets) + 1))
        wanted = np.arange(len(targets)) * n_classes + targets
        place = np.minimum(np.searchsorted(entries, wanted), len(entries) - 1)
        self.found = np.flatnonzero(entries[place] == wanted)
        self.own = place[self.found]

    def __call__(self, powers: Float64Array) -> tuple[float, Float64Array]:
        scores = powers @ self.scores
        top = np.maximum(row_max(scores, self.starts), 0.0)
        shares = np.exp(scores - top[self.row])
        n_left = self.n_classes - np.diff(self.starts)
        total = row_sums(shares, self.starts) + n_left * np.exp(-top)
        shares *= (self.weights / total)[self.row]
        shares[self.own] -= self.weights[self.found]
        loss = (self.weights * (top + np.log(total))).sum() - (self.weights[self.found] * scores[self.own]).sum()
        return float(loss), self.scores @ shares


def _row_of(starts: Int64Array) -> Int64Array:
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def votes(said: SparseProbabilities) -> Int64Array:
    """The most probable class (n,); -1 where a row lists none that stands out."""
    first = said.classes[:, 0].astype(np.int64)
    return np.where((first >= 0) & (said.probabilities[:, 0] > said.rest()), first, -1)


def votes_of(makers: Sequence[Probabilities]) -> Int64Array:
    """What each maker finds most probable, (n, n_makers), whichever way its rows are held."""
    return np.stack([_votes(each) for each in makers], axis=1)


def _votes(said: Probabilities) -> Int64Array:
    return votes(said) if isinstance(said, SparseProbabilities) else combination.votes([said])[:, 0]


def agreement(makers: Mapping[str, SparseProbabilities], names: Sequence[str], label: Int64Array) -> Float32Array:
    """The share of these makers whose vote is the class in label (n,): float32 (n,)."""
    return np.asarray(np.mean([votes(makers[name]) == label for name in names], axis=0), np.float32)
