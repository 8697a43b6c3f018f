"""Pools of a few labels for the tests of label makers."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.maker import LabelPool


def random_pool(
    seed: int, n: int = 60, d: int = 6, n_classes: int = 3, labelled: int = 12, *, pull: float = 2, spread: object = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d), a normal cloud for each class, and labels (n,), -1 but for `labelled`, some of every class.

    pull: how far a class lies from the origin; spread: of the clouds, in all directions or in each.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.full(n, -1, dtype=np.int64)
    rows = rng.permutation(n)[:labelled]
    labels[rows] = truth[rows]
    labels[rows[:n_classes]] = np.arange(n_classes)
    return (rng.standard_normal((n, d)) * spread + pull * np.eye(d)[truth]).astype(np.float32), labels


def holds(lists: ClassLists, labels: np.ndarray) -> np.ndarray:
    """Whether each sample's list has its class in labels (n,)."""
    owner = np.repeat(np.arange(len(lists)), lists.sizes)
    return np.bincount(owner, lists.classes == labels[owner], len(lists)) > 0


def said(maker, embeddings: np.ndarray, labels: np.ndarray, n_classes: int = 3, rows=None, **asked) -> np.ndarray:
    """What a maker says of these rows of a pool, or of all; `asked` is what else it may ask for (graph, seed, ...)."""
    wanted = np.arange(len(labels)) if rows is None else rows
    return maker.fit(LabelPool(embeddings, n_classes, **asked))(labels, wanted)
