"""Classes of which only presence is known: learning from positive and unlabelled samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.states.one_vs_rest import OneVsRest, fit_one_vs_rest

MOST_UNLABELLED = 20_000
"""Unlabelled samples that are learnt from, drawn at random; each then counts for several."""


def fit_labelled_or_not(
    embeddings: npt.NDArray[Any], positives: Int64Array, unlabelled: Int64Array, penalty: float, seed: int
) -> OneVsRest:
    """The regression that tells positives from unlabelled samples: g(x) = p(labelled | x).

    positives and unlabelled: rows of embeddings (n, d). Elkan and Noto 2008, Learning classifiers from only positive
    and unlabeled data, section 2: the class is p(present | x) = g(x) / c, where c = p(labelled | present) is the mean
    of g over positives that it has not seen (`labelling_rate`), if those that were labelled are a random sample of
    those that are present.
    """
    rng = np.random.default_rng(seed)
    drawn = unlabelled
    if len(unlabelled) > MOST_UNLABELLED:
        drawn = np.sort(rng.permutation(unlabelled)[:MOST_UNLABELLED])
    rows = np.concatenate([positives, drawn])
    targets = (np.arange(len(rows)) < len(positives)).astype(np.float32)[:, None]
    each = np.float32(len(unlabelled) / max(len(drawn), 1))
    return fit_one_vs_rest(embeddings, rows, targets, np.where(targets > 0, np.float32(1), each), penalty)


def labelling_rate(held_out: Float32Array) -> float:
    """The mean of g over positives (m,) that it has not seen: Elkan and Noto's first estimate, e1, of c."""
    return float(np.clip(held_out.astype(np.float64).mean(), 1e-6, 1))


def probability_present(said: Float32Array, rate: float) -> Float32Array:
    """g(x) / c, at most 1."""
    shares: Float64Array = np.minimum(said.astype(np.float64) / rate, 1.0)
    return shares.astype(np.float32)
