"""From probabilities to labels: what every policy starts from, what it returns, and what none may take away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.pool_statistics import check_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, first_class, probability_of

Share = Annotated[float, Interval(ge=0, le=1)]
Known = Literal["held_out", "keys", "votes"]


@dataclass(frozen=True)
class Evidence:
    """What is known besides probabilities; what a policy does not need may be None.

    labels: int64 (n,), the given class, -1 where there is none. held_out: float32 (m, n_classes), out-of-sample
    probabilities of the m labelled rows, in their order, made as the pool's are; held_out_predicted: int64 (m,), the
    classes given to them, where these are not the most probable. keys: int64 or uint64 (n,), what stays with a sample
    (`seeded_order`). votes: int64 (n, n_makers), each maker's most probable class, -1 where it has none. refused: bool
    (n,), samples that seem to be of no class and get no label whatever is decided (`refuse`); None: none.
    """

    labels: Int64Array
    held_out: Probabilities | None = None
    held_out_predicted: Int64Array | None = None
    keys: npt.NDArray[Any] | None = None
    votes: Int64Array | None = None
    refused: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.labels.dtype != np.int64:
            raise ValueError(f"labels must be int64 (n,), got {self.labels.dtype} of shape {self.labels.shape}")
        n_labelled = int((self.labels >= 0).sum())
        for name, given in (("held_out", self.held_out), ("held_out_predicted", self.held_out_predicted)):
            if given is not None and len(given) != n_labelled:
                raise ValueError(f"{name} must have a row for each of the {n_labelled} labels, got {len(given)}")
        for name, each in (("keys", self.keys), ("votes", self.votes), ("refused", self.refused)):
            if each is not None and each.shape[:1] != self.labels.shape:
                raise ValueError(f"{name} must have one entry for each of {len(self.labels)} rows, got {each.shape}")

    def known(self, name: Known) -> npt.NDArray[Any]:
        """Return a part of the evidence. Raises ValueError where it is None."""
        found: npt.NDArray[Any] | None = getattr(self, name)
        if found is None:
            raise ValueError(f"the policy needs evidence.{name}, got None")
        return found


@dataclass(frozen=True)
class Decision:
    """A label, or none, for each sample.

    label: int64 (n,), -1 where abstained; confidence: float32 (n,), the probability of the label or, where abstained,
    of what it would have been; abstained: bool (n,); weight: float32 (n,), from 0 to 1, 0 where abstained. excluded:
    the classes that a loss must leave out for the label to be sure; None where the policy excludes none. thresholds:
    float32 (n_classes,), the confidence that a label of each class must reach; None where the policy has none.
    """

    label: Int64Array
    confidence: Float32Array
    abstained: BoolArray
    weight: Float32Array
    excluded: ClassLists | None = None
    thresholds: Float32Array | None = None


@dataclass(frozen=True)
class Predictions:
    """What a policy decides on.

    probabilities: of n_classes, dense or listing some; label: int64 (n,), the class to give or to refuse; confidence:
    float32 (n,), its probability.
    """

    probabilities: Probabilities
    label: Int64Array
    confidence: Float32Array
    evidence: Evidence

    def given(self, sure: BoolArray, weight: Float32Array | None = None) -> Decision:
        """Return the decision to give the labels where sure (n,), with weight (n,) there, by default 1."""
        weights = sure.astype(np.float32) if weight is None else np.where(sure, weight, np.float32(0))
        return Decision(np.where(sure, self.label, -1), self.confidence, ~sure, weights)

    def from_threshold(self, least: npt.NDArray[Any]) -> Decision:
        """Return the decision to give the labels whose confidence reaches `least`, one for each class (n_classes,)."""
        # In float32, as the confidence is: 0.95 is then not above a confidence of 0.95.
        thresholds = least.astype(np.float32)
        return replace(self.given(self.confidence >= thresholds[self.label]), thresholds=thresholds)


@dataclass(frozen=True)
class Policy(Settings, ABC):
    """When a pseudo-label is sure enough: its fields are its settings.

    needs: the parts of the evidence that must be there.
    """

    needs: ClassVar[tuple[Known, ...]] = ()

    @abstractmethod
    def decide(self, said: Predictions) -> Decision:
        """Return a label or none for each sample; given labels are put back afterwards (`decide`)."""


def decide(
    probabilities: Probabilities,
    policy: Policy,
    predicted: Int64Array | None = None,
    evidence: Evidence | None = None,
    confidence: Float32Array | None = None,
) -> Decision:
    """Return the most probable class of each row (n, n_classes), the lowest of equals, or -1 where the policy abstains.

    predicted: int64 (n,), the classes to give in its stead; their probability is then the confidence, or `confidence`
    (n,), where that is given (`confidence_of`). Thresholds are those of the pool's probabilities either way. With
    evidence, samples with a given label keep it, with confidence and weight 1. Raises ValueError when the policy needs
    evidence that is not there.
    """
    check_rows("probabilities", probabilities)
    n, n_classes = probabilities.shape
    if predicted is None:
        predicted = first_class(probabilities)
    if predicted.shape != (n,) or (n and not 0 <= predicted.min() <= predicted.max() < n_classes):
        raise ValueError(f"predicted must be {n} classes from 0 to {n_classes - 1}, got shape {predicted.shape}")
    evidence = Evidence(np.full(n, -1)) if evidence is None else evidence
    if evidence.labels.shape != (n,) or (n and evidence.labels.max() >= n_classes):
        raise ValueError(f"labels must be {n} classes below {n_classes}, got shape {evidence.labels.shape}")
    for name in policy.needs:
        evidence.known(name)
    label = np.where(evidence.labels >= 0, evidence.labels, predicted)
    sure = probability_of(probabilities, label) if confidence is None else confidence
    said = Predictions(probabilities, label, sure, evidence)
    return _with_given(policy.decide(said), evidence.labels)


def _with_given(decision: Decision, labels: Int64Array) -> Decision:
    """The decision, with the labels (n,) that were given for sure; -1: none was."""
    known = labels >= 0
    return replace(
        decision,
        label=np.where(known, labels, decision.label),
        confidence=np.where(known, np.float32(1), decision.confidence),
        abstained=decision.abstained & ~known,
        weight=np.where(known, np.float32(1), decision.weight),
        excluded=decision.excluded.emptied(known) if decision.excluded is not None else None,
    )
