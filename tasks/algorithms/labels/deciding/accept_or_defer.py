"""Which predictions to accept, and which to give to a human: by distance to the class's correct predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.combining.calibration import check_labels
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions
from windrow.tasks.algorithms.labels.pool_statistics import check_rows, mean_prediction
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows, first_class


@dataclass(frozen=True)
class AcceptOrDefer(Policy):
    """`error_share`: of the wrong predictions of held-out labels, the share that may be let in."""

    error_share: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    needs = ("held_out",)

    def decide(self, said: Predictions) -> Decision:
        """Return the labels nearer to their class's correct predictions of held-out labels than the wrong ones are."""
        evidence = said.evidence
        labels = evidence.labels[evidence.labels >= 0]
        rule = fit_accept_rule(evidence.known("held_out"), labels, self.error_share, evidence.held_out_predicted)
        return said.given(accept(said.probabilities, rule, said.label))


@dataclass(frozen=True)
class AcceptRule:
    """Accept a prediction of class c when its probabilities are nearer than radius[c] to centroids[c].

    centroids: float64 (n_classes, n_classes), 8 n_classes^2 bytes; radius: float64 (n_classes,), Euclidean; 0 accepts
    nothing.
    """

    centroids: Float64Array
    radius: Float64Array


def fit_accept_rule(
    held_out: Probabilities, labels: Int64Array, error_share: float = 0.0, predicted: Int64Array | None = None
) -> AcceptRule:
    """Return the rule that out-of-sample probabilities (m, n_classes) and their labels (m,) give.

    'When to accept automated predictions and when to defer to human judgment?': a class's centroid is the mean of the
    probabilities of its correct predictions, its radius the smallest distance to it among the predictions of that
    class that were wrong. Distance (here Euclidean) and 'of that class' are our reading. One stray error makes the
    smallest distance useless, so error_share lets that share of them, at most, in: the radius is the distance of the
    error at place floor(error_share * errors), counted from 0 and nearest first.
    Where a class has no error, nothing is known beyond its correct predictions: the radius just holds the furthest of
    them. Where it has no correct prediction, nothing is accepted. Rows labelled -1 are left out. predicted: int64 (m,),
    what was predicted where that is not the most probable class.
    """
    check_labels(held_out, labels)
    if not 0 <= error_share < 1:
        raise ValueError(f"error_share must be from 0 to below 1, got {error_share}")
    n_classes = held_out.shape[1]
    predicted = first_class(held_out) if predicted is None else predicted
    if predicted.shape != labels.shape:
        raise ValueError(f"predicted must have the shape {labels.shape} of the labels, got {predicted.shape}")
    centroids, radius = np.eye(n_classes), np.zeros(n_classes)
    for label in range(n_classes):
        right = dense_rows(held_out, (predicted == label) & (labels == label))
        wrong = dense_rows(held_out, (predicted == label) & (labels >= 0) & (labels != label))
        if len(right):
            centroids[label] = mean_prediction(right)
            radius[label] = _radius(_distance(right, centroids[label]), _distance(wrong, centroids[label]), error_share)
    return AcceptRule(centroids, radius)


def accept(
    probabilities: Probabilities, rule: AcceptRule, predicted: Int64Array | None = None
) -> npt.NDArray[np.bool_]:
    """Return whether the most probable class, the lowest of equals, of each row (n, n_classes) can stand: bool (n,).

    predicted: int64 (n,), the classes to ask about in its stead.
    """
    check_rows("probabilities", probabilities)
    if probabilities.shape[1] != len(rule.radius):
        raise ValueError(f"probabilities must have {len(rule.radius)} columns, got shape {probabilities.shape}")
    predicted = first_class(probabilities) if predicted is None else predicted
    accepted = np.empty(len(probabilities), dtype=np.bool_)
    for rows in wide_blocks(*probabilities.shape):
        given = predicted[rows]
        accepted[rows] = _distance(dense_rows(probabilities, rows), rule.centroids[given]) < rule.radius[given]
    return accepted


def _radius(right: Float64Array, wrong: Float64Array, error_share: float) -> float:
    if not len(wrong):
        return float(np.nextafter(right.max(), np.inf))
    return float(np.sort(wrong)[int(error_share * len(wrong))])


def _distance(rows: Float32Array, centroids: Float64Array) -> Float64Array:
    distance: Float64Array = np.sqrt(((rows - centroids) ** 2).sum(axis=1))
    return distance
