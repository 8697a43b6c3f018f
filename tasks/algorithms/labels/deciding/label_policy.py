"""From probabilities to labels: which to give, with what weight, and where to abstain."""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.deciding.accept_or_defer import accept, fit_accept_rule
from windrow.tasks.algorithms.labels.deciding.class_exclusion import exclude_classes
from windrow.tasks.algorithms.labels.deciding.reliable_filter import reliable_and_distinct
from windrow.tasks.algorithms.labels.deciding.thresholds import (
    class_wise_thresholds,
    self_adaptive_thresholds,
    soft_weights,
)
from windrow.tasks.algorithms.labels.pool_statistics import check_rows

Policy = Literal["none", "fixed", "class-wise", "self-adaptive", "soft", "reliable", "accept-or-defer", "exclude"]


@dataclass(frozen=True)
class LabelPolicyConfig:
    """When a pseudo-label is sure enough.

    `policy`: 'none' labels everything; 'fixed' abstains below `threshold`; 'class-wise' (FlexMatch) lowers the
    threshold of classes with few confident predictions; 'self-adaptive' (FreeMatch) takes the thresholds from the
    pool's confidences; 'soft' (SoftMatch) labels everything and gives the unsure less weight; 'reliable' (EATA) labels
    what has a low entropy, and of the classes that the pool has most of only those least like its mean;
    'accept-or-defer' labels what is nearer to its class's correct predictions of held-out labels than the wrong ones;
    'exclude' (ShrinkMatch) leaves out the classes that confuse a sample until it is sure among the others.
    `threshold`: least confidence, of 'fixed', 'class-wise' and, among the classes not excluded, 'exclude'. `floor`: the
    lowest that a class's threshold can get, of 'class-wise' and 'self-adaptive'. `spread`: of 'soft', how slowly
    weights fall below the mean confidence. `entropy_share`: of 'reliable', the entropy to stay below, as a share of the
    largest; `max_cosine`: the cosine with the mean at which a class has enough, null: 1.25 / sqrt(classes).
    `error_share`: of 'accept-or-defer', the share of the wrong predictions that may be let in. `most_excluded`: of
    'exclude', how many classes a sample may leave out before it abstains; null: any number, and nothing abstains.
    """

    policy: Policy = "fixed"
    threshold: float = 0.8
    floor: float = 0.5
    spread: float = 0.5
    entropy_share: float = 0.4
    max_cosine: float | None = None
    error_share: float = 0.0
    most_excluded: int | None = None

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
        if self.policy == "exclude" and not self.threshold > 0:
            raise ValueError(f"threshold must be above 0 to exclude classes, got {self.threshold}")
        if not 0 < self.entropy_share <= 1:
            raise ValueError(f"entropy_share must be above 0 and at most 1, got {self.entropy_share}")
        if self.max_cosine is not None and not 0 < self.max_cosine <= 1:
            raise ValueError(f"max_cosine must be above 0 and at most 1, got {self.max_cosine}")
        if not 0 <= self.error_share < 1:
            raise ValueError(f"error_share must be from 0 to below 1, got {self.error_share}")
        if self.most_excluded is not None and self.most_excluded < 0:
            raise ValueError(f"most_excluded must be from 0, got {self.most_excluded}")


@dataclass(frozen=True)
class Evidence:
    """What is known besides probabilities; what a policy does not need may be None.

    labels: int64 (n,), the given class, -1 where there is none. held_out: float32 (m, n_classes), out-of-sample
    probabilities of the m labelled rows, in their order, made as the pool's are; held_out_predicted: int64 (m,), the
    classes given to them, where these are not the most probable. Both for 'accept-or-defer'. keys: int64 or uint64
    (n,), what stays with a sample (`seeded_order`), for 'reliable'.
    """

    labels: Int64Array
    held_out: Float32Array | None = None
    held_out_predicted: Int64Array | None = None
    keys: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.labels.dtype != np.int64:
            raise ValueError(f"labels must be int64 (n,), got {self.labels.dtype} of shape {self.labels.shape}")
        n_labelled = int((self.labels >= 0).sum())
        for name, given in (("held_out", self.held_out), ("held_out_predicted", self.held_out_predicted)):
            if given is not None and len(given) != n_labelled:
                raise ValueError(f"{name} must have a row for each of the {n_labelled} labels, got {len(given)}")
        if self.keys is not None and self.keys.shape != self.labels.shape:
            raise ValueError(f"keys must have one entry for each of {len(self.labels)} rows, got {self.keys.shape}")


@dataclass(frozen=True)
class Decision:
    """A label, or none, for each sample.

    label: int64 (n,), -1 where abstained; confidence: float32 (n,), the probability of the label or, where abstained,
    of what it would have been; abstained: bool (n,); weight: float32 (n,), 0 where abstained, from 0 to 1 under 'soft',
    'reliable' and 'exclude', otherwise 1. excluded: of 'exclude', the classes that a loss must leave out for the label
    to be sure; None under other policies.
    """

    label: Int64Array
    confidence: Float32Array
    abstained: npt.NDArray[np.bool_]
    weight: Float32Array
    excluded: ClassLists | None = None


def decide(
    probabilities: Float32Array,
    config: LabelPolicyConfig,
    predicted: Int64Array | None = None,
    evidence: Evidence | None = None,
) -> Decision:
    """The most probable class of each row (n, n_classes), the lowest of equals, or -1 where the policy abstains.

    predicted: int64 (n,), the classes to give in its stead; their probability is then the confidence. Thresholds are
    those of the pool's probabilities either way. With evidence, samples with a given label keep it, with confidence and
    weight 1. Raises ValueError when the policy needs evidence that is not there.
    """
    check_rows("probabilities", probabilities)
    n, n_classes = probabilities.shape
    if predicted is None:
        predicted = probabilities.argmax(axis=1).astype(np.int64)
    if predicted.shape != (n,) or (n and not 0 <= predicted.min() <= predicted.max() < n_classes):
        raise ValueError(f"predicted must be {n} classes from 0 to {n_classes - 1}, got shape {predicted.shape}")
    if evidence is not None:
        if evidence.labels.shape != (n,) or (n and evidence.labels.max() >= n_classes):
            raise ValueError(f"labels must be {n} classes below {n_classes}, got shape {evidence.labels.shape}")
        predicted = np.where(evidence.labels >= 0, evidence.labels, predicted)
    decision = _by_policy(probabilities, predicted, config, evidence)
    return decision if evidence is None else _with_given(decision, evidence.labels)


def class_thresholds(probabilities: Float32Array, config: LabelPolicyConfig) -> Float64Array:
    """The least confidence (n_classes,) at which the policy gives each class as a label; 0 where others decide.

    `confidence / threshold of its class` is the order in which a policy gives labels: what its coverage-accuracy curve
    runs through (label_audit.coverage_accuracy_curve).
    """
    check_rows("probabilities", probabilities)
    if config.policy == "class-wise":
        return class_wise_thresholds(probabilities, config.threshold, config.floor)
    if config.policy == "self-adaptive":
        return self_adaptive_thresholds(probabilities, config.floor)
    return np.full(probabilities.shape[1], config.threshold if config.policy == "fixed" else 0.0)


def _by_policy(
    probabilities: Float32Array, predicted: Int64Array, config: LabelPolicyConfig, evidence: Evidence | None
) -> Decision:
    confidence = probabilities[np.arange(len(probabilities)), predicted]
    if config.policy == "exclude":
        return _exclude(probabilities, predicted, confidence, config)
    if config.policy == "soft":
        return _decision(
            predicted, confidence, np.ones(len(predicted), np.bool_), soft_weights(confidence, config.spread)
        )
    if config.policy == "reliable":
        return _reliable(probabilities, predicted, confidence, config, evidence)
    if config.policy == "accept-or-defer":
        return _decision(predicted, confidence, _accepted(probabilities, predicted, config, evidence))
    # In float32, as the confidence is: 0.95 is then not above a confidence of 0.95.
    least = class_thresholds(probabilities, config).astype(np.float32)[predicted]
    return _decision(predicted, confidence, confidence >= least)


def _decision(
    predicted: Int64Array, confidence: Float32Array, given: npt.NDArray[np.bool_], weight: Float32Array | None = None
) -> Decision:
    """Labels where given (n,), with weight (n,) there, by default 1."""
    weights = given.astype(np.float32) if weight is None else np.where(given, weight, np.float32(0))
    return Decision(np.where(given, predicted, -1), confidence, ~given, weights)


def _exclude(
    probabilities: Float32Array, predicted: Int64Array, confidence: Float32Array, config: LabelPolicyConfig
) -> Decision:
    shrunk = exclude_classes(probabilities, config.threshold, predicted, config.most_excluded)
    sure = shrunk.shrunk_confidence >= np.float32(config.threshold)
    given = sure if config.most_excluded is not None else np.ones(len(predicted), np.bool_)
    return replace(_decision(predicted, confidence, given, shrunk.weight), excluded=shrunk.excluded.emptied(~given))


def _reliable(
    probabilities: Float32Array,
    predicted: Int64Array,
    confidence: Float32Array,
    config: LabelPolicyConfig,
    evidence: Evidence | None,
) -> Decision:
    """The samples without a given label that are kept; a label that is not the most probable class is not reliable.

    The weight is EATA's exp(limit - entropy) divided by its largest, exp(limit): the likeliest count 1.
    """
    if evidence is None or evidence.keys is None:
        raise ValueError("policy 'reliable' needs evidence.keys, what stays with a sample; got None")
    rows = np.flatnonzero(evidence.labels < 0)
    given, weight = np.zeros(len(predicted), np.bool_), np.zeros(len(predicted), np.float32)
    if len(rows):
        left = probabilities[rows]
        found = reliable_and_distinct(left, evidence.keys[rows], config.entropy_share, config.max_cosine)
        given[rows] = found.kept & (left.argmax(axis=1) == predicted[rows])
        weight[rows] = np.exp(-found.entropy)
    return _decision(predicted, confidence, given, weight)


def _accepted(
    probabilities: Float32Array, predicted: Int64Array, config: LabelPolicyConfig, evidence: Evidence | None
) -> npt.NDArray[np.bool_]:
    if evidence is None or evidence.held_out is None:
        raise ValueError("policy 'accept-or-defer' needs evidence.held_out, probabilities of labelled rows; got None")
    known = evidence.labels[evidence.labels >= 0]
    rule = fit_accept_rule(evidence.held_out, known, config.error_share, evidence.held_out_predicted)
    return accept(probabilities, rule, predicted)


def _with_given(decision: Decision, labels: Int64Array) -> Decision:
    """The decision, with the labels (n,) that were given for sure; -1: none was."""
    known = labels >= 0
    return Decision(
        np.where(known, labels, decision.label),
        np.where(known, np.float32(1), decision.confidence),
        decision.abstained & ~known,
        np.where(known, np.float32(1), decision.weight),
        decision.excluded.emptied(known) if decision.excluded is not None else None,
    )
