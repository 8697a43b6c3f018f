"""Wrong labels of known kinds: by chance, by class, by image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe

Labels = npt.NDArray[np.int64]
N_WEAK = 5


def symmetric(truth: Labels, n_classes: int, rate: float, rng: np.random.Generator) -> Labels:
    """A share `rate` of the labels becomes any other class."""
    labels, rows = truth.copy(), rng.permutation(len(truth))[: round(rate * len(truth))]
    labels[rows] = (truth[rows] + rng.integers(1, n_classes, len(rows))) % n_classes
    return labels


def pair_flips(truth: Labels, n_classes: int, rate: float, rng: np.random.Generator) -> Labels:
    """A share `rate` of the labels becomes the next class."""
    labels, rows = truth.copy(), rng.permutation(len(truth))[: round(rate * len(truth))]
    labels[rows] = (truth[rows] + 1) % n_classes
    return labels


def image_flips(
    embeddings: npt.NDArray[np.float32], truth: Labels, n_classes: int, rate: float, rng: np.random.Generator
) -> Labels:
    """A share `rate` becomes the class that a weak probe confuses it with most: likelier, the more it is confused.

    The weak probe knows the truth of 5 images a class. The chance of a draw is as q / (p + q), with p its probability
    of the true class and q that of the likeliest other, which the label becomes.
    """
    known = np.full(len(truth), -1, dtype=np.int64)
    for label in range(n_classes):
        rows = rng.permutation(np.flatnonzero(truth == label))[:N_WEAK]
        known[rows] = label
    shares = logistic_probe(embeddings, known, n_classes).astype(np.float64)
    at = np.arange(len(truth))
    own = shares[at, truth]
    shares[at, truth] = -1.0
    rival = shares.argmax(axis=1)
    confusion = shares[at, rival] / (shares[at, rival] + own)
    rows = rng.choice(len(truth), round(rate * len(truth)), replace=False, p=confusion / confusion.sum())
    labels = truth.copy()
    labels[rows] = rival[rows]
    return labels


def corruptions(
    embeddings: npt.NDArray[np.float32], truth: Labels, n_classes: int, seed: int
) -> Iterator[tuple[str, Labels]]:
    """The five kinds of noise that the benchmark tells of, drawn for a seed."""
    for rate in (0.2, 0.4):
        yield f"symmetric {rate:.0%}", symmetric(truth, n_classes, rate, np.random.default_rng(seed))
    yield "pairs 40%", pair_flips(truth, n_classes, 0.4, np.random.default_rng(seed))
    for rate in (0.2, 0.4):
        yield f"image {rate:.0%}", image_flips(embeddings, truth, n_classes, rate, np.random.default_rng(seed))
