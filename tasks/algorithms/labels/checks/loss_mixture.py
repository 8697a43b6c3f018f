"""Small losses are clean: a mixture of two components on the losses of all samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement

Family = Literal["beta", "gaussian"]

N_ITERATIONS = 40
# Losses are kept this far from 0 and 1, where a beta density may be infinite.
EDGE = 1e-4
# A component that is narrower is one value: a beta has no such moments that float64 could tell, a Gaussian stays here.
SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class LossMixture(Check):
    """Two beta components on the losses of a probe that did not see the labels: small losses are clean."""

    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the probability of the clean component as the score; noisy below one half."""
        return judge_by_loss(given.loss)


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture: the family used, and the mean, variance and weight (2,) of clean and of noisy losses."""

    family: Family
    mean: Float64Array
    variance: Float64Array
    weight: Float64Array

    def noise_posterior(self, normalised: Float64Array) -> Float64Array:
        """Return the probability (n,) that a normalised loss is of the noisy component; it never falls with the loss.

        A wide noisy component can overtake the clean one below the smallest losses too; the running maximum starts at
        the clean mean, so that the smallest losses stay clean.
        """
        at = np.maximum(normalised, self.mean[0])
        order = np.argsort(at, kind="stable")
        raised: Float64Array = np.empty(len(at))
        raised[order] = np.maximum.accumulate(_responsibility(self, at)[order])
        return raised


def normalised_losses(loss: npt.NDArray[Any]) -> Float64Array:
    """Return losses (n,) scaled by their 5th and 95th percentile, from 1e-4 to 1 - 1e-4; equal losses become 1/2."""
    if loss.ndim != 1 or not len(loss) or not np.isfinite(loss).all():
        raise ValueError(f"loss must be finite, of shape (n,) with n > 0, got shape {loss.shape}")
    low, high = np.percentile(loss.astype(np.float64), [5, 95])
    if not high > low:
        return np.full(len(loss), 0.5)
    return np.asarray(np.clip((loss - low) / (high - low), EDGE, 1 - EDGE), dtype=np.float64)


def fit_loss_mixture(normalised: Float64Array, family: Family = "beta") -> Mixture | None:
    """Return the mixture after 40 rounds of EM, the M-step by weighted moments; None where the losses are one value.

    Arazo et al. 2019, Unsupervised label noise modeling and loss correction, section 3.1: beta components (there 10
    rounds, which leave the noisy mean 0.07 from where it converges for heaps with means of 0.14 and 0.73). Gaussians
    are fitted where a beta component shrinks to one value or dies.
    """
    if family not in ("beta", "gaussian"):
        raise ValueError(f"family must be 'beta' or 'gaussian', got {family!r}")
    if not 0 < normalised.min() <= normalised.max() < 1:
        raise ValueError(f"normalised must be between 0 and 1, got {normalised.min()} to {normalised.max()}")
    if normalised.min() == normalised.max():
        return None
    # The posterior of densities 2 (1 - x) and 2 x: no cut between the heaps is guessed.
    noisy = normalised
    mixture = None
    for _ in range(N_ITERATIONS):
        mixture = _moments(normalised, noisy, family)
        if mixture is None:
            return fit_loss_mixture(normalised, "gaussian") if family == "beta" else None
        noisy = _responsibility(mixture, normalised)
    return mixture


def judge_by_loss(loss: npt.NDArray[Any], family: Family = "beta") -> Judgement:
    """Return 1 - the noisy component's posterior as the score; noisy above a posterior of 1/2."""
    posterior = noise_posterior(loss, family)
    return Judgement((1.0 - posterior).astype(np.float32), np.asarray(posterior > 0.5))


def noise_posterior(loss: npt.NDArray[Any], family: Family = "beta") -> Float64Array:
    """Return the probability (n,) that each loss (n,) is of the noisy component; 0 where all losses are equal."""
    normalised = normalised_losses(loss)
    mixture = fit_loss_mixture(normalised, family)
    return np.zeros(len(loss)) if mixture is None else mixture.noise_posterior(normalised)


def _moments(values: Float64Array, noisy: Float64Array, family: Family) -> Mixture | None:
    shares = np.stack([1.0 - noisy, noisy])
    totals = shares.sum(axis=1)
    if totals.min() < 1.0:
        return None
    mean = shares @ values / totals
    variance = (shares * np.square(values - mean[:, None])).sum(axis=1) / totals
    if family == "beta" and variance.min() < SMALLEST_VARIANCE:
        return None
    variance = np.maximum(variance, SMALLEST_VARIANCE)
    order = np.argsort(mean, kind="stable")
    return Mixture(family, mean[order], variance[order], totals[order] / len(values))


def _responsibility(mixture: Mixture, values: Float64Array) -> Float64Array:
    density: Callable[..., Float64Array] = _beta if mixture.family == "beta" else _gaussian
    logs = [
        np.log(weight) + density(values, mean, variance)
        for weight, mean, variance in zip(mixture.weight, mixture.mean, mixture.variance, strict=True)
    ]
    return np.asarray(np.exp(logs[1] - np.logaddexp(*logs)), dtype=np.float64)


def _beta(values: Float64Array, mean: float, variance: float) -> Float64Array:
    from scipy.special import betaln

    total = mean * (1 - mean) / variance - 1
    a, b = mean * total, (1 - mean) * total
    return np.asarray((a - 1) * np.log(values) + (b - 1) * np.log1p(-values) - betaln(a, b))


def _gaussian(values: Float64Array, mean: float, variance: float) -> Float64Array:
    return np.asarray(-0.5 * (np.square(values - mean) / variance + np.log(2 * np.pi * variance)))
