"""How large each class is in the pool: found, told or assumed, and what that makes of probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from windrow.schemas.settings import Settings
from windrow.schemas.texts.label_text import class_name
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities

PriorMethod = Literal["estimated", "em", "bbse", "labels", "uniform", "given", "none"]
PriorUse = Literal["shift", "alignment"]


@dataclass(frozen=True)
class PriorConfig(Settings):
    """Where the classes' shares of the samples without a label come from, and how probabilities are brought to them.

    `method`: 'estimated' is EM, drawn to equal shares while labels are few; 'em' (Saerens et al. 2002) is EM alone;
    'bbse' (Lipton et al. 2018) asks how classes confuse held-out labels; 'labels': as the labels are, for labels drawn
    at random from the pool; 'uniform': all equal; 'given': `shares`; 'none' leaves the makers' probabilities alone.
    `shares`: with 'given', a number from 0 for each class by its name, counts or shares. `use`: 'shift' is Bayes' rule,
    each sample for itself; 'alignment' (ReMixMatch, Sinkhorn) makes the mean prediction just these shares.
    """

    method: PriorMethod = "estimated"
    shares: Mapping[str | int, Annotated[float, Ge(0)]] = field(default_factory=dict)
    use: PriorUse = "shift"

    def __post_init__(self) -> None:
        super().__post_init__()
        # YAML reads the class 7 as a number; a fingerprint needs keys of one kind.
        object.__setattr__(self, "shares", {class_name("shares", name): each for name, each in self.shares.items()})
        if (self.method == "given") != bool(self.shares):
            raise ValueError(f"shares: go with method 'given', got method {self.method!r} and {dict(self.shares)}")
        if self.shares and not 0 < sum(self.shares.values()) < np.inf:
            raise ValueError(f"shares: wants numbers from 0, not all 0, got {dict(self.shares)}")
        if self.method == "none" and self.use != "shift":
            raise ValueError(f"use: without a prior (method 'none') there is nothing to align to, got {self.use!r}")


@dataclass(frozen=True)
class PriorCorrection:
    """Probabilities under two assumptions about the classes' shares, float32, of the pool and of labels held out.

    even (n, n_classes) and held_out_even (m, n_classes): as if all classes were equally large; their argmax is the
    label that serves rare classes best. pool and held_out: the same under shares prior float64 (n_classes,), how often
    a label is right. With method 'none' both are what the makers said, and prior is None.
    """

    even: Probabilities
    pool: Probabilities
    held_out_even: Probabilities
    held_out: Probabilities
    prior: Float64Array | None


def check_shares(config: PriorConfig, classes: Sequence[str]) -> None:
    """Raise ValueError, naming the class, when one has no share, or a share is of none."""
    missing, unknown = sorted(set(classes) - set(config.shares)), sorted(set(config.shares) - set(classes))
    if config.shares and (missing or unknown):
        what = f"no share for class {missing[0]!r}" if missing else f"there is no class {unknown[0]!r}"
        raise ValueError(f"prior.shares: {what}; the classes are {', '.join(classes[:20])}")


def given_shares(config: PriorConfig, classes: Sequence[str]) -> Float64Array | None:
    """The shares of a config, float64 (n_classes,) summing to 1, in the order of classes; None without any.

    Raises ValueError naming a class that has none. One that is not there any more, since all of its labels are held
    out, is left out: `check_shares` has seen all.
    """
    if not config.shares:
        return None
    among = {name: share for name, share in config.shares.items() if name in classes}
    check_shares(replace(config, shares=among), classes)
    shares = np.array([among[name] for name in classes], dtype=np.float64)
    return np.asarray(shares / shares.sum())


def apply_prior(
    held_out: Float32Array,
    labels: Int64Array,
    pool: Float32Array,
    config: PriorConfig | None = None,
    shares: Float64Array | None = None,
    temperature: float = 1.0,
) -> PriorCorrection:
    """Calibrate what makers say of a pool (n, n_classes) class by class, and bring it to the classes' shares.

    labels int64 (n,), -1 where there is none; held_out (m, n_classes): out-of-sample probabilities of the labelled
    rows, in their order; shares (n_classes,): those of method 'given', summing to 1 (`given_shares`). The default is
    `correct_prior`, to the bit; temperature is its. A class without labels gets share 0, whatever was given.
    """
    from windrow.tasks.algorithms.labels.combining.prior_correction import correct_prior
    from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling

    config = config or PriorConfig()
    if (config.method == "given") != (shares is not None):
        raise ValueError(f"shares go with the method 'given', got {config.method!r} and shares {shares}")
    if config.method == "none":
        return PriorCorrection(pool, pool, held_out, held_out, None)
    corrected = correct_prior(held_out, labels, pool, temperature)
    even, held_out_even = corrected.even, apply_vector_scaling(held_out, corrected.scaling)
    prior = corrected.prior if config.method == "estimated" else _shares(config, held_out_even, labels, even, shares)
    if config.method == "estimated" and config.use == "shift":
        return PriorCorrection(
            even, corrected.pool, held_out_even, _bring(held_out_even, even, labels, prior, config), prior
        )
    brought = (_bring(each, even, labels, prior, config) for each in (even, held_out_even))
    return PriorCorrection(even, next(brought), held_out_even, next(brought), prior)


def _shares(
    config: PriorConfig,
    held_out_even: Float32Array,
    labels: Int64Array,
    even: Float32Array,
    shares: Float64Array | None,
) -> Float64Array:
    """The prior (n_classes,) of each method but 'estimated' and 'none'; 0 for a class without labels."""
    from windrow.tasks.algorithms.labels.combining.label_shift import bbse_prior, em_prior, label_shares

    equal = equal_shares(labels, even.shape[1])
    unlabelled = even[labels < 0]
    if config.method == "given" and shares is not None:
        return among(shares, equal)
    if config.method == "labels":
        return label_shares(labels, even.shape[1])
    if config.method == "uniform" or not len(unlabelled):
        return equal
    if config.method == "bbse":
        return bbse_prior(held_out_even, labels[labels >= 0], unlabelled)
    return em_prior(unlabelled, equal)


def _bring(
    probabilities: Float32Array, even: Float32Array, labels: Int64Array, prior: Float64Array, config: PriorConfig
) -> Float32Array:
    """Probabilities made for equal shares, brought to the prior; aligned by what aligns the rows without a label."""
    from windrow.tasks.algorithms.labels.combining.distribution_alignment import alignment_factors
    from windrow.tasks.algorithms.labels.combining.label_shift import reweight, shift_prior

    if config.use == "alignment":
        return reweight(probabilities, alignment_factors(even[labels < 0], prior))
    return shift_prior(probabilities, equal_shares(labels, even.shape[1]), prior)


def equal_shares(labels: Int64Array, n_classes: int) -> Float64Array:
    """Equal shares (n_classes,) of the classes that have labels."""
    known = np.bincount(labels[labels >= 0], minlength=n_classes) > 0
    return np.asarray(known / np.count_nonzero(known))


def among(shares: Float64Array, equal: Float64Array) -> Float64Array:
    """Shares (n_classes,) of the classes that have labels, as `equal` says, summing to 1. Raises ValueError."""
    from windrow.tasks.algorithms.labels.pool_statistics import check_distribution

    check_distribution("shares", shares, len(equal))
    known = np.where(equal > 0, shares, 0.0)
    if not known.sum() > 0:
        raise ValueError(f"shares must be above 0 for a class with labels, got {shares.tolist()}")
    return np.asarray(known / known.sum())
