"""From probabilities to labels: which to give, and where to abstain."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array

Policy = Literal["none", "fixed", "class-wise"]


@dataclass(frozen=True)
class LabelPolicyConfig:
    """When a pseudo-label is sure enough.

    `policy`: 'none' labels everything; 'fixed' abstains below `threshold`; 'class-wise' lowers the threshold of classes
    with few confident predictions. `threshold`: least confidence. `floor`: the lowest that a class's threshold can get.
    """

    policy: Policy = "fixed"
    threshold: float = 0.8
    floor: float = 0.5

    def __post_init__(self) -> None:
        if self.policy not in ("none", "fixed", "class-wise"):
            raise ValueError(f"policy must be 'none', 'fixed' or 'class-wise', got {self.policy!r}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, got {self.threshold}")
        if self.policy == "class-wise" and not 0 <= self.floor <= self.threshold:
            raise ValueError(f"floor must be from 0 to the threshold {self.threshold}, got {self.floor}")


@dataclass(frozen=True)
class Decision:
    """A label, or none, for each sample.

    label: int64 (n,), -1 where abstained; confidence: float32 (n,), of the most probable class; abstained: bool (n,).
    """

    label: Int64Array
    confidence: Float32Array
    abstained: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CoverageCurve:
    """What labelling where confidence >= threshold gives, for each distinct confidence, highest first.

    coverage: the share of samples labelled; accuracy: the share of those that is right. All float64 (m,).
    """

    threshold: Float64Array
    coverage: Float64Array
    accuracy: Float64Array


def decide(probabilities: Float32Array, config: LabelPolicyConfig) -> Decision:
    """The most probable class of each row (n, n_classes), the lowest of equals, or -1 where the policy abstains."""
    if probabilities.ndim != 2 or not probabilities.shape[1]:
        raise ValueError(f"probabilities must have shape (n, n_classes), got {probabilities.shape}")
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    confidence = probabilities.max(axis=1)
    thresholds = np.zeros(probabilities.shape[1])
    if config.policy == "fixed":
        thresholds[:] = config.threshold
    if config.policy == "class-wise":
        thresholds = class_wise_thresholds(probabilities, config.threshold, config.floor)
    # In float32, as the confidence is: 0.95 is then not above a confidence of 0.95.
    abstained = confidence < thresholds.astype(np.float32)[predicted]
    return Decision(np.where(abstained, -1, predicted), confidence, abstained)


def class_wise_thresholds(probabilities: Float32Array, threshold: float, floor: float) -> Float64Array:
    """A threshold (n_classes,) for each class, lower where fewer of the pool's predictions are confident.

    Zhang et al. 2021, FlexMatch, equations 5 to 7 and the convex mapping of section 3.3: threshold * b / (2 - b), with
    b the class's number of predictions of confidence >= threshold divided by the largest such number. One pass over the
    pool: FlexMatch's warm-up, which lowers every threshold while little is confident, would here accept guesses. b is 0
    for a class without a confident prediction, hence `floor`. Without any confident prediction all keep `threshold`.
    """
    n_classes = probabilities.shape[1]
    confident = probabilities.max(axis=1, initial=0.0) >= np.float32(threshold)
    learned = np.bincount(probabilities.argmax(axis=1)[confident], minlength=n_classes)
    if not learned.any():
        return np.full(n_classes, threshold)
    status = learned / learned.max()
    thresholds: Float64Array = np.maximum(threshold * status / (2.0 - status), floor)
    return thresholds


def coverage_accuracy_curve(confidence: npt.NDArray[Any], correct: npt.NDArray[np.bool_]) -> CoverageCurve:
    """What each threshold on confidence (n,) would cover, and how much of it would be correct (n,)."""
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(f"confidence and correct must have one shape (n,), got {confidence.shape} and {correct.shape}")
    thresholds, group, counts = np.unique(-confidence.astype(np.float64), return_inverse=True, return_counts=True)
    covered = np.cumsum(counts)
    right = np.cumsum(np.bincount(group, weights=correct, minlength=len(thresholds)))
    return CoverageCurve(-thresholds, covered / max(len(confidence), 1), right / covered)
