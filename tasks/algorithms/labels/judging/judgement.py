"""What the methods that judge given labels share: what they return, what they check, and a cut without a threshold.

Labels are int64 (n,), from 0 to n_classes - 1, every sample with one. A label quality score is float32 (n,): the
higher, the more likely the label is right. Its scale is the method's own; only a posterior's values are probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array


@dataclass(frozen=True)
class Judgement:
    """The label quality score float32 (n,), and whether the method calls a label wrong, bool (n,), or None.

    A method without a verdict ranks the labels and leaves the cut to its user. Raises ValueError unless both have one
    shape (n,).
    """

    score: Float32Array
    noisy: BoolArray | None = None

    def __post_init__(self) -> None:
        noisy = self.score if self.noisy is None else self.noisy
        if self.score.ndim != 1 or self.score.shape != noisy.shape:
            raise ValueError(f"score and noisy must have one shape (n,), got {self.score.shape} and {noisy.shape}")


def check_given(labels: Int64Array, n_classes: int, n: int) -> None:
    """Raise ValueError unless labels is int64 (n,), each from 0 to n_classes - 1."""
    if labels.dtype != np.int64 or labels.shape != (n,):
        raise ValueError(f"labels must be int64 of shape ({n},), got {labels.dtype} of shape {labels.shape}")
    if n and not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels must be from 0 to {n_classes - 1}, got {labels.min()} to {labels.max()}")


def most_expected_f1(noise: Float64Array) -> BoolArray:
    """The samples to call noisy so that the F1 score expected is largest, given the probability (n,) of noise of each.

    Of all sets of m samples the m most probable have the largest expected number of hits; F1 is 2 hits over m plus the
    number of noisy labels, and its expectation is approximated by the ratio of expectations, 2 sum_m p / (m + sum p).
    At the best m the last probability is half of the best F1 (Lipton et al. 2014, Thresholding classifiers to maximize
    F1 score), so no threshold has to be given. Equal probabilities get the same verdict. None where all are 0.
    """
    if not len(noise) or not noise.max() > 0:
        return np.zeros(len(noise), dtype=np.bool_)
    ordered = np.sort(noise)[::-1]
    hits = np.cumsum(ordered)
    expected = 2.0 * hits / (np.arange(1, len(noise) + 1) + hits[-1])
    return np.asarray(noise >= ordered[expected.argmax()])
