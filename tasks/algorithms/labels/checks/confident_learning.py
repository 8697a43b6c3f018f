"""Confident learning on sparse predictions: the joint distribution of given and true labels, and what it prunes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.checks.self_confidence import self_confidence
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

Pruning = Literal["by noise rate", "by class", "both"]


@dataclass(frozen=True)
class ConfidentLearning(Check):
    """`pruning`: as many labels as seem wrong of each pair of classes (by noise rate), of each class, or by both."""

    pruning: Pruning = "by noise rate"
    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return self-confidence as the score, and the labels that are pruned as the verdict."""
        return judge_by_confidence(given.predictions, given.labels, self.pruning)


@dataclass(frozen=True)
class ConfidentJoint:
    """Shares of the samples by given and true class, the cells above 0 only, in order of (given, true).

    given, true: int64 (m,); share: float64 (m,), summing to 1 over the pool, and to its labels' share for each class.
    """

    given: Int64Array
    true: Int64Array
    share: Float64Array
    n_classes: int


def class_thresholds(predictions: SparseProbabilities, labels: Int64Array) -> Float64Array:
    """Return the mean self-confidence (n_classes,) of those labelled so, equation 2; inf for a class without labels."""
    check_given(labels, predictions.n_classes, len(predictions))
    counts = np.bincount(labels, minlength=predictions.n_classes)
    totals = np.bincount(labels, weights=predictions.of_class(labels), minlength=predictions.n_classes)
    return np.asarray(np.divide(totals, counts, out=np.full(predictions.n_classes, np.inf), where=counts > 0))


def confident_joint(predictions: SparseProbabilities, labels: Int64Array) -> ConfidentJoint:
    """Return the joint of given and true classes, calibrated to the labels' counts.

    Northcutt et al. 2021, Confident learning, equations 1 to 3.

    A sample counts as truly of the most probable class among those whose probability reaches the class's threshold, and
    nowhere if none does. predictions must be out of sample. Classes that a row does not list are never confident: with
    all classes listed this is the dense method. A class with labels and no confident sample is taken to be clean.
    """
    thresholds = class_thresholds(predictions, labels)
    n_classes = predictions.n_classes
    listed = predictions.classes >= 0
    confident = listed & (predictions.probabilities >= thresholds[predictions.classes])
    # Slots are in order of probability, so the first confident one is the most probable.
    rows = np.flatnonzero(confident.any(axis=1))
    true = predictions.classes[rows, confident[rows].argmax(axis=1)]
    cells, counts = np.unique(labels[rows] * n_classes + true, return_counts=True)
    of_class = np.bincount(labels, minlength=n_classes)
    unseen = np.setdiff1d(np.flatnonzero(of_class), cells // n_classes)
    cells = np.concatenate([cells, unseen * (n_classes + 1)])
    counts = np.concatenate([counts, of_class[unseen]]).astype(np.float64)
    order = np.argsort(cells)
    given, true = cells[order] // n_classes, cells[order] % n_classes
    totals = np.bincount(given, weights=counts[order], minlength=n_classes)
    share = counts[order] / totals[given] * of_class[given] / max(len(labels), 1)
    return ConfidentJoint(given, true, share, n_classes)


def find_noisy(predictions: SparseProbabilities, labels: Int64Array, pruning: Pruning = "by noise rate") -> BoolArray:
    """Return whether each label is called wrong, bool (n,); a label that is the prediction never is.

    Section 3.3 of the paper. by class: of each class, as many as the joint says are wrong, the least self-confident. by
    noise rate: of each pair of classes, as many as the joint says, those with the largest p[true] - p[given]. both:
    what both call wrong.
    """
    if pruning not in ("by class", "by noise rate", "both"):
        raise ValueError(f"pruning must be 'by class', 'by noise rate' or 'both', got {pruning!r}")
    joint = confident_joint(predictions, labels)
    noisy = np.ones(len(predictions), dtype=np.bool_)
    if pruning != "by noise rate":
        noisy &= _least_confident(predictions, labels, joint)
    if pruning != "by class":
        noisy &= _largest_margins(predictions, labels, joint)
    return np.asarray(noisy & (predictions.classes[:, 0] != labels))


def judge_by_confidence(
    predictions: SparseProbabilities, labels: Int64Array, pruning: Pruning = "by noise rate"
) -> Judgement:
    """Return self-confidence as the score, and the verdict of find_noisy."""
    return Judgement(self_confidence(predictions, labels), find_noisy(predictions, labels, pruning))


def _least_confident(predictions: SparseProbabilities, labels: Int64Array, joint: ConfidentJoint) -> BoolArray:
    wrong = joint.given != joint.true
    expected = np.bincount(joint.given[wrong], weights=joint.share[wrong], minlength=joint.n_classes) * len(labels)
    place = _place_in_group(labels, predictions.of_class(labels))
    return np.asarray(place < np.rint(expected)[labels])


def _largest_margins(predictions: SparseProbabilities, labels: Int64Array, joint: ConfidentJoint) -> BoolArray:
    row, slot = np.nonzero((predictions.classes >= 0) & (predictions.classes != labels[:, None]))
    pair = labels[row] * joint.n_classes + predictions.classes[row, slot]
    margin = predictions.probabilities[row, slot] - predictions.of_class(labels)[row]
    cells = joint.given * joint.n_classes + joint.true
    at = np.minimum(np.searchsorted(cells, pair), len(cells) - 1)
    expected = np.where(cells[at] == pair, np.rint(joint.share[at] * len(labels)), 0.0)
    noisy = np.zeros(len(labels), dtype=np.bool_)
    noisy[row[_place_in_group(pair, -margin) < expected]] = True
    return noisy


def _place_in_group(group: Int64Array, value: Float64Array) -> Int64Array:
    """How many of its group come before each, by value; equal values in order of position."""
    order = np.lexsort((value, group))
    ordered = group[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - starts
    return place
