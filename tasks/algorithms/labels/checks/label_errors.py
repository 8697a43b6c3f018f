"""Which labels are wrong: `label_quality` with its defaults, for labels as people have them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array, as_embeddings
from windrow.tasks.algorithms.labels.checks.confident_learning import find_noisy
from windrow.tasks.algorithms.labels.checks.label_quality import LabelQualityConfig, label_quality
from windrow.tasks.algorithms.labels.named_classes import name_classes
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class LabelErrors:
    """What is thought of each of n labels; of a sample without one, nothing.

    is_error: bool (n,), False without a label; quality: float32 (n,), the higher the more likely right, nan without
    one; suggested: (n,), the most probable class, as the labels call it, None without one; classes: (n_classes,).
    """

    is_error: BoolArray
    quality: Float32Array
    suggested: npt.NDArray[Any]
    classes: npt.NDArray[Any]

    @property
    def worst(self) -> Int64Array:
        """Rows of the errors, the lowest quality first."""
        rows = np.flatnonzero(self.is_error)
        return rows[np.argsort(self.quality[rows], kind="stable")]


def find_label_errors(
    embeddings: npt.ArrayLike | None,
    labels: Collection[Any] | npt.NDArray[Any],
    *,
    probabilities: npt.ArrayLike | None = None,
    seed: int = 0,
) -> LabelErrors:
    """Find the wrong ones among labels (n,): strings or numbers, with None, '', NaN or a negative number for none.

    embeddings: (n, d), of which probes learn what labels look like, each judging labels that it has not learnt from.
    probabilities: (n, n_classes), of a model of your own that has not learnt from the label it predicts, classes
    sorted; embeddings may then be None, and confident learning alone decides. How many labels are wrong is estimated,
    not asked for. Raises ValueError for labels of fewer than two classes, and where n differs.

    >>> from windrow import find_label_errors
    >>> own = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9]]
    >>> found = find_label_errors(None, ["cat", "cat", "dog", "dog", "dog", None], probabilities=own)
    >>> found.worst, found.suggested[2]
    (array([2]), 'cat')
    """
    given = embeddings if embeddings is not None else probabilities
    if given is None:
        raise ValueError("embeddings: expected embeddings, or probabilities in their place, got neither")
    points = as_embeddings(given, "embeddings" if embeddings is not None else "probabilities")
    named = name_classes(labels, len(points))
    rows = np.flatnonzero(named.labels >= 0)
    own = None if probabilities is None else _predictions(probabilities, len(points), len(named.classes), rows)
    chosen = named.labels[rows]
    if embeddings is None and own is not None:
        noisy, score, last = find_noisy(own, chosen), own.of_class(chosen).astype(np.float32), own
    else:
        found = label_quality(points[rows], chosen, len(named.classes), LabelQualityConfig(seed=seed), predictions=own)
        noisy = cast(BoolArray, found.judgement.noisy)  # this one always decides
        score, last = found.judgement.score, found.predictions
    is_error, quality = np.zeros(len(points), np.bool_), np.full(len(points), np.nan, np.float32)
    suggested = np.full(len(points), None, object)
    is_error[rows], quality[rows] = noisy, score
    suggested[rows] = named.classes[last.classes[:, 0]].tolist()
    return LabelErrors(is_error, quality, suggested, named.classes)


def _predictions(probabilities: npt.ArrayLike, n: int, n_classes: int, rows: Int64Array) -> SparseProbabilities:
    dense = as_embeddings(probabilities, "probabilities").astype(np.float32)
    if dense.shape != (n, n_classes):
        raise ValueError(f"probabilities: expected shape ({n}, {n_classes}), one a class, got {dense.shape}")
    if not (np.isfinite(dense).all() and dense.min(initial=0) >= 0):
        raise ValueError("probabilities: expected finite numbers of at least 0")
    return SparseProbabilities.of(dense[rows], n_classes)
