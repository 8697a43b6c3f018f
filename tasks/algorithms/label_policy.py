"""From probabilities to labels: which to give, with what weight, and where to abstain."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.pool_statistics import check_rows
from windrow.tasks.algorithms.thresholds import class_wise_thresholds, self_adaptive_thresholds, soft_weights

Policy = Literal["none", "fixed", "class-wise", "self-adaptive", "soft"]


@dataclass(frozen=True)
class LabelPolicyConfig:
    """When a pseudo-label is sure enough.

    `policy`: 'none' labels everything; 'fixed' abstains below `threshold`; 'class-wise' (FlexMatch) lowers the
    threshold of classes with few confident predictions; 'self-adaptive' (FreeMatch) takes the thresholds from the
    pool's confidences; 'soft' (SoftMatch) labels everything and gives the unsure less weight.
    `threshold`: least confidence, of 'fixed' and 'class-wise'. `floor`: the lowest that a class's threshold can get, of
    'class-wise' and 'self-adaptive'. `spread`: of 'soft', how slowly weights fall below the mean confidence.
    """

    policy: Policy = "fixed"
    threshold: float = 0.8
    floor: float = 0.5
    spread: float = 0.5

    def __post_init__(self) -> None:
        if self.policy not in get_args(Policy):
            raise ValueError(f"policy must be one of {', '.join(get_args(Policy))}, got {self.policy!r}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, got {self.threshold}")
        if self.policy == "class-wise" and not 0 <= self.floor <= self.threshold:
            raise ValueError(f"floor must be from 0 to the threshold {self.threshold}, got {self.floor}")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor must be from 0 to 1, got {self.floor}")
        if not self.spread > 0:
            raise ValueError(f"spread must be positive, got {self.spread}")


@dataclass(frozen=True)
class Decision:
    """A label, or none, for each sample.

    label: int64 (n,), -1 where abstained; confidence: float32 (n,), the probability of the label or, where abstained,
    of what it would have been; abstained: bool (n,); weight: float32 (n,), 0 where abstained, from 0 to
    1 under 'soft', otherwise 1.
    """

    label: Int64Array
    confidence: Float32Array
    abstained: npt.NDArray[np.bool_]
    weight: Float32Array


def decide(probabilities: Float32Array, config: LabelPolicyConfig, predicted: Int64Array | None = None) -> Decision:
    """The most probable class of each row (n, n_classes), the lowest of equals, or -1 where the policy abstains.

    predicted: int64 (n,), the classes to give in its stead; their probability is then the confidence. Thresholds are
    those of the pool's probabilities either way.
    """
    check_rows("probabilities", probabilities)
    n, n_classes = probabilities.shape
    if predicted is None:
        predicted = probabilities.argmax(axis=1).astype(np.int64)
    if predicted.shape != (n,) or (n and not 0 <= predicted.min() <= predicted.max() < n_classes):
        raise ValueError(f"predicted must be {n} classes from 0 to {n_classes - 1}, got shape {predicted.shape}")
    confidence = probabilities[np.arange(n), predicted]
    # In float32, as the confidence is: 0.95 is then not above a confidence of 0.95.
    abstained = confidence < class_thresholds(probabilities, config).astype(np.float32)[predicted]
    weight = soft_weights(confidence, config.spread) if config.policy == "soft" else (~abstained).astype(np.float32)
    return Decision(np.where(abstained, -1, predicted), confidence, abstained, weight)


def class_thresholds(probabilities: Float32Array, config: LabelPolicyConfig) -> Float64Array:
    """The least confidence (n_classes,) at which the policy gives each class as a label; 0 under 'none' and 'soft'.

    `confidence / threshold of its class` is the order in which a policy gives labels: what its coverage-accuracy curve
    runs through (label_audit.coverage_accuracy_curve).
    """
    check_rows("probabilities", probabilities)
    if config.policy == "class-wise":
        return class_wise_thresholds(probabilities, config.threshold, config.floor)
    if config.policy == "self-adaptive":
        return self_adaptive_thresholds(probabilities, config.floor)
    return np.full(probabilities.shape[1], config.threshold if config.policy == "fixed" else 0.0)
