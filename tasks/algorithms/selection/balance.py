"""How even a set is over its classes or clusters, from the number of samples in each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def normalised_entropy(counts: npt.ArrayLike) -> float:
    """Entropy of the classes' shares over ln(number of classes): 1 when all are equal, 0 when one class has everything.

    counts: one number >= 0 a class, empty classes included: they count in the number of classes. A single class is even
    by definition: 1. Nothing counted has no shares: nan. Raises ValueError for no class, or a negative count.
    """
    shares = _shares(counts)
    return 1.0 if len(shares) == 1 and shares[0] == 1 else float(_entropy(shares) / np.log(max(len(shares), 2)))


def effective_number(counts: npt.ArrayLike) -> float:
    """exp(entropy): how many equally large classes would be as diverse (Hill number of order 1). From 1 to len(counts).

    nan when nothing was counted. Raises ValueError for no class, or a negative count.
    """
    return float(np.exp(_entropy(_shares(counts))))


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    """In nats; 0 ln 0 = 0."""
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum())


def _shares(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not (values >= 0).all():
        raise ValueError(f"counts: expected one number >= 0 a class, at least one class, got {values.tolist()}")
    total = values.sum()
    return values / total if total > 0 else np.full(len(values), np.nan)
