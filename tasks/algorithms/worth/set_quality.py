"""How good predictions of the evaluated samples are, and how much of that is the luck of a set and of the samples."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array


def qualities(
    right: BoolArray, truth: Int64Array, counts: Float64Array, groups: Int64Array | None = None
) -> Float64Array:
    """Balanced accuracy, the mean over classes of the share that is right: float64 (b, r).

    right: bool (r, m), of each run which evaluated samples it is right of; truth: int64 (m,), their classes; counts:
    float64 (b, m), how often each sample counts: ones, or a bootstrap's draws; or (b, g) of groups, where these are
    int64 (m,). A class that no draw has does not count.

    Where samples may be of several classes, a state takes the place of a sample, and presence and absence of a class
    are two classes: this is then the mean accuracy (mA) of Li et al. 2016 (RAP, arXiv 1603.07054, label-based
    criterion), (1 / 2 C) sum_c (TP_c / P_c + TN_c / N_c), over the states that are known, as classifiers are judged by
    the verified labels of Open Images alone (Veit et al. 2017, arXiv 1701.01619).
    """
    found, n_classes = np.zeros((len(counts), len(right))), np.zeros(len(counts))
    for each in np.unique(truth):
        rows = np.flatnonzero(truth == each)
        drawn = counts[:, rows if groups is None else groups[rows]]
        total = drawn.sum(axis=1)
        there = total > 0
        shares = (drawn @ right[:, rows].T.astype(np.float64)) / np.where(there, total, 1.0)[:, None]
        found += shares * there[:, None]
        n_classes += there
    return found / n_classes[:, None]


def variance_of_runs(right: BoolArray, truth: Int64Array, sample: Int64Array | None = None) -> float:
    """Variance between runs (sets drawn anew) of the quality on unlimited samples, from runs on m of them; never < 0.

    Calibrated Chaos (Jordan 2023, theorem 3): n / (n - 1) (Var_runs - sum p (1 - p) / n^2), where p is the share of the
    runs that are right of a sample; here for samples that weigh w, which sum to 1: (Var_runs - sum w^2 p (1 - p)) /
    (1 - sum w^2), with w = 1 / (classes x samples of the class), and both variances unbiased for a few runs. right:
    bool (r >= 2, m). One evaluated sample cannot tell the two apart: 0. sample: int64 (m,), from 0, which sample each
    is a state of, where it has several: then sum w^2 p (1 - p) is the sum over samples of the variance of what its
    states add, and w of a sample theirs together.
    """
    n_runs = len(right)
    _, own, sizes = np.unique(truth, return_inverse=True, return_counts=True)
    weights = 1.0 / (len(sizes) * sizes[own])
    if sample is None:
        share = right.mean(axis=0)
        chance = (weights**2 * share * (1 - share)).sum() * n_runs / (n_runs - 1)
    else:
        added = np.stack([np.bincount(sample, weights * run) for run in right])
        chance, weights_of = np.var(added, axis=0, ddof=1).sum(), np.bincount(sample, weights)
    left = 1 - ((weights if sample is None else weights_of) ** 2).sum()
    found = np.var(right @ weights, ddof=1) - chance
    return max(0.0, float(found / left)) if left > 0 else 0.0
