"""What curation was worth, where the truth is known: the curated set beside the whole pool and random sets of its size.

The pipeline sees none of this truth. There is one kind of random set, that of the policy `random`: drawn from what the
same filters and the same near-duplicate threshold left, with the same pseudo-labels. So what differs is the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.flows.demo.judged_pool import JudgedPool
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe
from windrow.tasks.algorithms.selection.balance import normalised_entropy

L2 = 1e-5
"""Penalty of the probe. At 1e-3 it would rarely predict a rare class, which would flatter a balanced set."""


@dataclass(frozen=True)
class SetScores:
    """Scores of one set (or their mean, or standard deviation, over several). nan where nothing can be measured.

    `balance`: normalised entropy of the true classes, off-topic samples aside. `off_topic`: share of samples of no
    class. `repeats`: share of samples whose near-duplicate original is in the set too. `accuracy_pseudo`,
    `accuracy_true`: balanced test accuracy of the probe trained on the set with its pseudo-labels (without the samples
    on which they abstain), or with its true ones (without those off topic).
    """

    n_samples: float
    balance: float
    off_topic: float
    repeats: float
    accuracy_pseudo: float
    accuracy_true: float


@dataclass(frozen=True)
class LabelScores:
    """Pseudo-labels against the truth, over the `n_samples` that have a true class and came without their label.

    `coverage`: share on which they do not abstain; `accuracy`: share of those that are right; `macro_recall`: mean over
    the classes of the share found, where abstaining finds nothing. `top_accuracy` and `top_macro_recall`: the same of
    the most probable class of all. `off_topic_labelled`: share of off-topic samples that got a label.
    """

    n_samples: int
    coverage: float
    accuracy: float
    macro_recall: float
    top_accuracy: float
    top_macro_recall: float
    off_topic_labelled: float


@dataclass(frozen=True)
class Scoreboard:
    """The whole pool, the mean and standard deviation of `n_random` random sets, the curated set, the pseudo-labels."""

    pool: SetScores
    random: SetScores
    random_std: SetScores
    n_random: int
    curated: SetScores
    labels: LabelScores


@dataclass(frozen=True)
class Probe:
    """What probes learn from, features (n, d) of the pool's samples, and are tested on, (m, d) and classes (m,)."""

    features: Float32Array
    test_features: Float32Array
    test_labels: Int64Array
    l2: float = L2

    def accuracy(self, rows: Int64Array, labels: Int64Array, n_classes: int) -> float:
        """Balanced test accuracy of multinomial logistic regression on `rows` with these `labels` (n,), -1 left out.

        Every sample weighs the same: a probe that weighs rare classes up repairs itself part of what curation repairs.
        """
        known = rows[labels[rows] >= 0]
        if not len(known):
            return float("nan")
        fitted = fit_logistic_probe(self.features[known], labels[known], n_classes, self.l2, class_balanced=False)
        return balanced_accuracy(self.test_labels, fitted.predict_proba(self.test_features).argmax(axis=1), n_classes)


def score_pool(pool: JudgedPool, probe: Probe, n_random: int = 5, seed: int = 0) -> Scoreboard:
    """Score the pool, its curated set and `n_random` random sets of the same size, after the same filters.

    Raises ValueError when nothing was selected, or when the features are not one row a sample.
    """
    n, n_selected = len(pool.truth), int(pool.selected.sum())
    if not n_selected:
        raise ValueError("pool: has no selected sample")
    if len(probe.features) != n:
        raise ValueError(f"features: want one row for each of the {n} samples of the pool, got {len(probe.features)}")
    if n_random < 1:
        raise ValueError(f"n_random: wants 1 or more, got {n_random}")
    left = np.flatnonzero(pool.ranked | pool.selected)
    drawn = [np.random.default_rng([seed, i]).choice(left, n_selected, replace=False) for i in range(n_random)]
    random = [score_set(pool, np.sort(rows), probe) for rows in drawn]
    return Scoreboard(
        pool=score_set(pool, np.arange(n), probe),
        random=_each(random, np.mean),
        random_std=_each(random, np.std),
        n_random=n_random,
        curated=score_set(pool, np.flatnonzero(pool.selected), probe),
        labels=score_labels(pool),
    )


def score_set(pool: JudgedPool, rows: Int64Array, probe: Probe) -> SetScores:
    """Score the set of these rows of the pool, each at most once."""
    n_classes, truth = len(pool.classes), pool.truth[rows]
    inside = np.zeros(len(pool.truth) + 1, dtype=bool)  # one more, for the -1 of those that repeat nothing
    inside[rows] = True
    return SetScores(
        n_samples=len(rows),
        balance=normalised_entropy(np.bincount(truth[truth >= 0], minlength=n_classes)),
        off_topic=float((truth < 0).mean()),
        repeats=float(inside[pool.repeats[rows]].mean()),
        accuracy_pseudo=probe.accuracy(rows, pool.pseudo, n_classes),
        accuracy_true=probe.accuracy(rows, pool.truth, n_classes),
    )


def _each(scores: Sequence[SetScores], summary: Any) -> SetScores:
    return SetScores(*(float(summary([getattr(each, f.name) for each in scores])) for f in fields(SetScores)))


def score_labels(pool: JudgedPool) -> LabelScores:
    """Score the pseudo-labels of the samples that did not come with theirs."""
    counted = (pool.truth >= 0) & ~pool.given
    truth, pseudo, top = pool.truth[counted], pool.pseudo[counted], pool.top[counted]
    labelled = pseudo >= 0
    return LabelScores(
        n_samples=len(truth),
        coverage=_share(labelled),
        accuracy=_share(pseudo[labelled] == truth[labelled]),
        macro_recall=balanced_accuracy(truth, pseudo, len(pool.classes)),
        top_accuracy=_share(top == truth),
        top_macro_recall=balanced_accuracy(truth, top, len(pool.classes)),
        off_topic_labelled=_share(pool.pseudo[pool.truth < 0] >= 0),
    )


def balanced_accuracy(truth: Int64Array, predicted: Int64Array, n_classes: int) -> float:
    """The mean, over the classes that `truth` (n,) has, of the share of their samples that is predicted so."""
    sizes = np.bincount(truth, minlength=n_classes)
    right = np.bincount(truth[truth == predicted], minlength=n_classes)
    there = sizes > 0
    return _share(right[there] / sizes[there])


def _share(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
