"""Subsets by class: nested fractions of the labels, and long tails made of an even set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def class_places(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of each sample among those of its class, from 0, in the order of the samples."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    places = np.empty(len(labels), np.int64)
    places[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered, side="left")
    return places


def fraction_of_classes(labels: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.bool_]:
    """Say which samples are among the first `fraction` of their class, rounded up: at least one of each class.

    The set of a smaller fraction lies in that of a larger one. Raises ValueError when the fraction is not above 0 and
    at most 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"label_fraction: wants above 0 and at most 1, got {fraction}")
    sizes = np.bincount(labels)
    return np.asarray(class_places(labels) < np.ceil(sizes * fraction - 1e-9)[labels])


def long_tail_counts(sizes: npt.NDArray[np.int64], ratio: float) -> npt.NDArray[np.int64]:
    """Return how many samples of each class make a long tail of `ratio` to 1, at least one of each.

    n_k = n_max ratio^(-k / (K - 1)) for the k-th largest of K classes (Cui et al. 2019, Class-balanced loss, section
    5.1), equal sizes in order of the class; n_max is the largest that all classes have enough for. Raises ValueError
    when the ratio is below 1 or a class has no sample.
    """
    if ratio < 1 or not len(sizes) or sizes.min() < 1:
        raise ValueError(f"long_tail: wants a ratio of 1 or more, and samples of every class, got {ratio}")
    shares = ratio ** (-np.arange(len(sizes)) / max(len(sizes) - 1, 1))
    order = np.argsort(-sizes, kind="stable")
    n_max = (sizes[order] / shares).min()
    counts = np.empty(len(sizes), np.int64)
    counts[order] = np.minimum(np.maximum(np.floor(n_max * shares + 1e-9), 1), sizes[order])
    return counts


def long_tail_of_classes(labels: npt.NDArray[np.int64], ratio: float) -> npt.NDArray[np.bool_]:
    """Say which samples, the first of each class, make a long tail: see `long_tail_counts`."""
    _, codes = np.unique(labels, return_inverse=True)
    return np.asarray(class_places(codes) < long_tail_counts(np.bincount(codes), ratio)[codes])
