"""A few labels over a pool of embeddings: `label_spreading` with its defaults, for labels as people have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, as_embeddings
from windrow.tasks.algorithms.labels import label_spreading
from windrow.tasks.algorithms.labels.named_classes import name_classes
from windrow.tasks.algorithms.labels.sparse_probabilities import dense_rows, probability_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

USUAL = ("propagation", "smoothed", "smoothed_probe")  # the best three together: docs/evidence/labels.md


@dataclass(frozen=True)
class LabelledPool:
    """A label for every sample, and how sure it is.

    label: (n,), as the given labels call it, the one that serves rare classes best (macro recall); most_probable: (n,),
    the one that is right most often (accuracy), another only where classes seem to be of unequal size; confidence:
    float32 (n,), the probability that `label` is right, 1 where it was given (that of `most_probable` is
    probabilities.max(axis=1)); agreement: float32 (n,), the share of the makers whose first class is `most_probable`;
    classes: (n_classes,), sorted; probabilities: float32 (n, n_classes), in their order.
    """

    label: npt.NDArray[Any]
    most_probable: npt.NDArray[Any]
    confidence: Float32Array
    agreement: Float32Array
    classes: npt.NDArray[Any]
    probabilities: Float32Array


def spread_labels(
    embeddings: npt.ArrayLike,
    labels: Collection[Any] | npt.NDArray[Any],
    *,
    makers: Sequence[str] = USUAL,
    n_neighbors: int = 20,
    n_folds: int = 5,
    seed: int = 0,
) -> LabelledPool:
    """Spread a few labels over a pool of embeddings (n, d).

    labels: (n,), strings or numbers, with None, '', NaN or a negative number for a sample that has none. makers: the
    methods that are weighed against each other and combined; n_neighbors: of each sample in the graph that some of them
    use; n_folds: of the cross-fits on the labelled samples that weigh them and make the confidence honest. Raises
    ValueError for labels of fewer than two classes, and for embeddings that are not finite.

    >>> from windrow import spread_labels
    >>> embeddings = [[1, 0], [1, 0.1], [0.9, 0.1], [1, 0.2], [0, 1], [0.1, 1], [0.1, 0.9], [0.2, 1]]
    >>> found = spread_labels(embeddings, ["cat", "cat", None, None, "dog", "dog", None, None])
    >>> found.label.tolist()
    ['cat', 'cat', 'cat', 'cat', 'dog', 'dog', 'dog', 'dog']
    """
    points = as_embeddings(embeddings)
    named = name_classes(labels, len(points))
    graph = neighbor_graph(points, min(n_neighbors, len(points) - 1))
    found = label_spreading.spread_labels(
        points, graph, named.labels, len(named.classes), makers, makers, n_folds, seed
    )
    confidence = probability_of(found.confidence, found.label)
    label, most_probable = named.classes[found.label], named.classes[found.most_probable]
    return LabelledPool(label, most_probable, confidence, found.agreement, named.classes, dense_rows(found.confidence))
