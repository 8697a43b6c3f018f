"""Probabilities of classes (n, n_classes): rows brought to a sum of 1, and several makers' put together."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks

Mean = Literal["arithmetic", "geometric"]

# A float32 probability below this says no more than 0 does. Logarithms start from it, so that a hard 0 is not a veto.
SMALLEST_PROBABILITY = 1e-7


def normalise_rows(scores: Float64Array) -> Float32Array:
    """Non-negative scores (n, n_classes) divided by their row's sum; a row of zeros becomes uniform."""
    total = scores.sum(axis=1, keepdims=True)
    shares: Float64Array = np.divide(scores, total, out=np.full_like(scores, 1.0 / scores.shape[1]), where=total > 0)
    return shares.astype(np.float32)


def ensemble(
    probabilities: Sequence[Float32Array], weights: Sequence[float] | None = None, mean: Mean = "arithmetic"
) -> Float32Array:
    """The weighted mean (n, n_classes) of several makers' probabilities, rows summing to 1; equal weights if None.

    arithmetic: a linear pool, confident where any maker is. geometric: a logarithmic pool, confident where all agree.
    """
    shares = [1.0] * len(probabilities) if weights is None else list(weights)
    if not probabilities or len({p.shape for p in probabilities}) != 1:
        raise ValueError(
            f"probabilities must be one or more arrays of one shape, got {[p.shape for p in probabilities]}"
        )
    if len(shares) != len(probabilities) or min(shares) < 0 or sum(shares) <= 0:
        raise ValueError(f"weights must be {len(probabilities)} numbers from 0, not all 0, got {shares}")
    if mean not in ("arithmetic", "geometric"):
        raise ValueError(f"mean must be 'arithmetic' or 'geometric', got {mean!r}")
    total = np.zeros(probabilities[0].shape, dtype=np.float64)
    for share, each in zip(shares, probabilities, strict=True):
        wide = each.astype(np.float64)
        total += (
            share / sum(shares) * (wide if mean == "arithmetic" else np.log(np.maximum(wide, SMALLEST_PROBABILITY)))
        )
    return normalise_rows(total if mean == "arithmetic" else np.exp(total - total.max(axis=1, keepdims=True)))


class Fitted(Protocol):
    """A fitted classifier: probabilities float32 (m, n_classes) of embeddings (m, d), the same for any m."""

    @property
    def n_classes(self) -> int: ...

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array: ...


class Rows(Protocol):
    """Embeddings (n, d), or what is made of them when rows are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


def predict_rows(fitted: Fitted, embeddings: Rows, rows: Int64Array | None = None) -> Float32Array:
    """A classifier's probabilities float32 (m, n_classes) of these rows of embeddings (n, d), or of all, in blocks."""
    wanted = np.arange(len(embeddings), dtype=np.int64) if rows is None else rows
    probabilities = np.empty((len(wanted), fitted.n_classes), dtype=np.float32)
    for block in row_blocks(len(wanted)):
        probabilities[block] = fitted.predict_proba(embeddings[wanted[block]])
    return probabilities
