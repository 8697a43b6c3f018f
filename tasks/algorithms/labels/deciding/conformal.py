"""Set-valued labels that hold the true class as often as promised (split conformal prediction).

The promise needs labels drawn as the pool is, and probabilities that are out of sample for them (made alike for both).
Where labels were given class by class and the pool is long-tailed, only class_conditional keeps it: it holds within
each class, whatever the classes' shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.combining.calibration import check_labels
from windrow.tasks.algorithms.labels.pool_statistics import check_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows

Score = Literal["lac", "aps"]


@dataclass(frozen=True)
class ConformalRule:
    """A sample's set holds the classes whose score is at most threshold (n_classes,), float64; inf lets any in."""

    score: Score
    threshold: Float64Array


def fit_conformal(
    held_out: Probabilities,
    labels: Int64Array,
    miss_rate: float = 0.1,
    score: Score = "lac",
    class_conditional: bool = False,
    failure_rate: float | None = None,
) -> ConformalRule:
    """Return thresholds under which sets miss the true class at most miss_rate of the time.

    held_out (m, n_classes) are out-of-sample probabilities, labels (m,) their classes; rows labelled -1 are left out.
    score: 'lac' is 1 - p (Sadinle et al. 2019: the smallest sets on average, some may be empty); 'aps' the probability
    of the class and of all before it in order, not randomised (Romano et al. 2020: larger sets where the sample is
    hard). The threshold is the score at place `conformal_rank`, for all labels or, class_conditional, for those of each
    class (Vovk 2012, Mondrian). Too few labels for the promise: inf. Without failure_rate the miss rate is kept on
    average over draws of the labels; with it, by all but that share of draws (PAC).
    """
    check_labels(held_out, labels)
    if score not in ("lac", "aps"):
        raise ValueError(f"score must be 'lac' or 'aps', got {score!r}")
    rows = np.flatnonzero(labels >= 0)
    targets = labels[rows]
    n_classes, scores = held_out.shape[1], np.empty(len(rows))
    for block in wide_blocks(len(rows), n_classes):
        of_all = _scores(dense_rows(held_out, rows[block]), score)
        scores[block] = of_all[np.arange(len(of_all)), targets[block]]
    groups = [scores[targets == label] for label in range(n_classes)] if class_conditional else [scores] * n_classes
    return ConformalRule(score, np.array([_quantile(group, miss_rate, failure_rate) for group in groups]))


def label_sets(probabilities: Probabilities, rule: ConformalRule) -> ClassLists:
    """Return the set of classes of each row (n, n_classes); `.only()` is the label of the sets of just one class."""
    check_rows("probabilities", probabilities)
    if probabilities.shape[1] != len(rule.threshold):
        raise ValueError(f"probabilities must have {len(rule.threshold)} columns, got shape {probabilities.shape}")

    def members() -> Iterator[npt.NDArray[np.bool_]]:
        for rows in wide_blocks(*probabilities.shape):
            yield _scores(dense_rows(probabilities, rows), rule.score) <= rule.threshold

    return ClassLists.of(members())


def conformal_rank(n: int, miss_rate: float, failure_rate: float | None = None) -> int:
    """Return which of n ascending scores, counted from 1, is the threshold; n + 1 when there are too few.

    With the k-th of n exchangeable scores without ties, coverage over draws of the labels is Beta(k, n + 1 - k)
    (Vovk 2012, section 2.2). Its mean reaches 1 - miss_rate at k = ceil((n + 1) (1 - miss_rate)). failure_rate: the
    smallest k for which Beta(k, n + 1 - k) < 1 - miss_rate has at most that probability, which is that of k or more
    successes in Binomial(n, 1 - miss_rate): the Clopper-Pearson bound (Park et al. 2020, PAC confidence sets).
    """
    if not 0 < miss_rate < 1:
        raise ValueError(f"miss_rate must be between 0 and 1, got {miss_rate}")
    if failure_rate is None:
        # Without the trace subtracted, 10 * (1 - 0.1) might be a little more than 9.
        return min(math.ceil((n + 1) * (1 - miss_rate) - 1e-9), n + 1)
    if not 0 < failure_rate < 1:
        raise ValueError(f"failure_rate must be between 0 and 1, got {failure_rate}")
    return int(binom.ppf(1 - failure_rate, n, 1 - miss_rate)) + 1 if n else 1


def _quantile(scores: Float64Array, miss_rate: float, failure_rate: float | None) -> float:
    rank = conformal_rank(len(scores), miss_rate, failure_rate)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _scores(probabilities: Float32Array, score: Score) -> Float64Array:
    """Of each class (m, n_classes), low where it fits."""
    wide = probabilities.astype(np.float64)
    if score == "lac":
        return 1.0 - wide
    order = np.argsort(-probabilities, axis=1, kind="stable")
    scores = np.empty_like(wide)
    np.put_along_axis(scores, order, np.take_along_axis(wide, order, axis=1).cumsum(axis=1), axis=1)
    return scores
