"""Two halves that judge each other's labels, and mix them with what they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import N_KEPT, Check, JudgedLabels, probe_out_of_sample
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class CrossSplit(Check):
    """Stratified halves, each predicted by the probe of the other: how far the prediction is from the label."""

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return 1 - the normalised divergence as the score, and where the mixed label is another class."""
        return cross_split(given.embeddings, given.labels, given.n_classes, given.l2, given.seed, N_KEPT).judgement


@dataclass(frozen=True)
class MixedLabels:
    """What the halves say of the labels.

    judgement: 1 - the normalised divergence as score, noisy where the mixed label's first class is another.

    mixed: the soft label, (1 - w) label + w peer prediction, with w the normalised divergence of each sample.
    """

    judgement: Judgement
    mixed: SparseProbabilities


def label_divergence(own: Float64Array) -> Float64Array:
    """Return the Jensen-Shannon divergence (n,) of a one-hot label from a prediction that gives it `own` (n,).

    In bits, 0 to 1. With m the mean of both, only the label's class and the sum of the others count: half of -log2((1 +
    a) / 2) from the label's side, half of a log2(2 a / (1 + a)) + (1 - a) from the prediction's.
    """
    a = np.clip(own, 0.0, 1.0)
    ratio = np.where(a > 0, 2.0 * a / (1.0 + a), 1.0)
    return np.asarray(0.5 * (-np.log2((1.0 + a) / 2.0) + a * np.log2(ratio) + (1.0 - a)), dtype=np.float64)


def mix_labels(predictions: SparseProbabilities, labels: Int64Array) -> MixedLabels:
    """Return the labels mixed by w, the divergence, scaled to 0..1 among the samples labelled alike.

    Kim et al. 2023, CrossSplit, section 3.1. predictions come from the peer, which never saw the sample. The scaling
    follows the paper as recalled: by the least and largest divergence of each class, so that the surest of each class
    keep their label whole; a class whose divergences are one value keeps its labels. Classes beyond the listed keep no
    share, rows are made to sum to 1.
    """
    check_given(labels, predictions.n_classes, len(predictions))
    divergence = label_divergence(predictions.of_class(labels))
    low = np.full(predictions.n_classes, np.inf)
    high = np.full(predictions.n_classes, -np.inf)
    np.minimum.at(low, labels, divergence)
    np.maximum.at(high, labels, divergence)
    width = high[labels] - low[labels]
    weight = np.divide(divergence - low[labels], width, out=np.zeros(len(labels)), where=width > 0)
    mixed = _mixed(predictions, labels, weight)
    noisy = np.asarray(mixed.classes[:, 0] != labels)
    return MixedLabels(Judgement((1.0 - weight).astype(np.float32), noisy), mixed)


def cross_split(
    embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, l2: float = 0.001, seed: int = 0, n_kept: int = 20
) -> MixedLabels:
    """Return mix_labels with our probe in each half: stratified halves, each predicted by the probe of the other."""
    check_given(labels, n_classes, len(embeddings))
    return mix_labels(probe_out_of_sample(embeddings, labels, n_classes, l2, 2, seed, n_kept), labels)


def _mixed(predictions: SparseProbabilities, labels: Int64Array, weight: Float64Array) -> SparseProbabilities:
    """One slot more than the predictions have, for a label that they do not list."""
    classes = np.column_stack([predictions.classes, labels])
    shares = np.column_stack([weight[:, None] * predictions.probabilities, 1.0 - weight])
    # The label's probability moves to its own slot, where it is listed already.
    listed = predictions.classes == labels[:, None]
    shares[:, -1] += weight * np.where(listed.any(axis=1), 0.0, predictions.rest())
    shares[:, -1] += np.where(listed, shares[:, :-1], 0.0).sum(axis=1)
    classes[:, :-1][listed] = -1
    shares[:, :-1][classes[:, :-1] < 0] = 0.0
    order = np.lexsort((classes, -shares, classes < 0), axis=1)
    classes, shares = np.take_along_axis(classes, order, axis=1), np.take_along_axis(shares, order, axis=1)
    full = shares / shares.sum(axis=1, keepdims=True)
    return SparseProbabilities(classes, full.astype(np.float32), predictions.n_classes)
