"""Classes of which only presence is known: learning from positive and unlabelled samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.states.one_vs_rest import fit_one_vs_rest

MOST_UNLABELLED = 20_000
"""Unlabelled samples that are learnt from, drawn at random; each then counts for several."""
SMALLEST_RATE = 1e-6


def presence_of_positives(
    embeddings: npt.NDArray[Any],
    positive: BoolArray,
    listed: BoolArray,
    folds: Int64Array,
    penalty: float = 0.3,
    seed: int = 0,
) -> Float32Array:
    """The probability (n, c) that each class is present, learnt from positive (n, c) and unlabelled samples.

    Elkan and Noto 2008, Learning classifiers from only positive and unlabeled data, section 2: a regression tells
    positives from unlabelled samples, g(x) = p(labelled | x). If the positives are a random sample of all that are
    present, p(present | x) is g(x) / c, at most 1, where c = p(labelled | present) is the largest g of positives that
    it has not seen (their estimate e3: the others want classes that do not overlap). Unlabelled are the samples that
    are listed (n,), of which something is given; where a class has none of these, all others. folds (n,): which samples
    are left out together for c. Memory: the rows that are learnt from as float32, and a few arrays (n, c).
    """
    of_class = ~positive & listed[:, None]
    alone = ~of_class.any(axis=0)
    of_class[:, alone] = ~positive[:, alone]
    candidates = np.flatnonzero(of_class.any(axis=1))
    drawn = np.zeros(len(positive), np.bool_)
    drawn[np.random.default_rng(seed).permutation(candidates)[:MOST_UNLABELLED]] = True
    rows = np.flatnonzero(positive.any(axis=1) | drawn)
    targets, unlabelled = positive[rows], of_class[rows] & drawn[rows][:, None]
    each = of_class.sum(axis=0) / np.maximum(unlabelled.sum(axis=0), 1)
    weights = np.where(targets, 1.0, unlabelled * each).astype(np.float32)

    def said(hidden: BoolArray, wanted: Any) -> Float32Array:
        seen = np.where(targets & hidden[:, None], np.float32(0), weights)
        return fit_one_vs_rest(embeddings, rows, targets, seen, penalty).predict_proba(embeddings[wanted])

    apart = np.zeros(targets.shape, np.float32)
    for fold in np.unique(folds[rows][targets.any(axis=1)]):
        out = folds[rows] == fold
        apart[out] = said(out, rows[out])
    rates = np.where(targets, apart, 0).max(axis=0)
    of_all = said(np.zeros(len(rows), np.bool_), slice(None))
    return np.asarray(np.minimum(of_all / np.maximum(rates, SMALLEST_RATE), 1), np.float32)
