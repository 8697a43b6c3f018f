"""Predictions corrected by the pool's own most typical samples of each predicted class, without training."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY, normalise_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

# Rows and classes that meet at once: their similarities are BLOCK_ROWS * BLOCK_CLASSES * per_class numbers.
BLOCK_ROWS = 1024
BLOCK_CLASSES = 32


def cache_refinement(
    embeddings: npt.NDArray[Any],
    predictions: SparseProbabilities,
    per_class: int = 16,
    beta: float = 1.0,
    weight: float = 5.0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) = softmax(log p + weight * residual), p the pool's predictions (zero-shot ones).

    After Long et al. 2024, Training-free unsupervised prompt for vision-language models: the residual of class c is
    the mean over c's cached samples j of exp(-beta (1 - cos(x_i, x_j))) * sum_y sqrt(p_i(y) p_j(y)), similar in
    features and in predictions; the exponential is Tip-Adapter's (Zhang et al. 2022). The paper's way of joining the
    two was not at hand: the product, and the Bhattacharyya coefficient of the predictions, are chosen here. The mean
    instead of a sum keeps a class with few cached samples even with the others. A sample is left out of its own
    residual; a class that nothing is predicted to be has residual 0. per_class: samples of each predicted class in the
    cache; beta: how sharply their influence falls with distance, 0 asks the predictions only; weight: of the residual,
    in logits, 0 changes nothing. rows: only these, in that order.
    """
    check_embeddings("embeddings", embeddings)
    if len(embeddings) != len(predictions):
        raise ValueError(f"predictions must have one row for each of the {len(embeddings)}, got {len(predictions)}")
    cache = cached_rows(embeddings, predictions, per_class)
    wanted = np.arange(len(embeddings), dtype=np.int64) if rows is None else rows
    refined = np.empty((len(wanted), predictions.n_classes), dtype=np.float32)
    for part in row_blocks(len(wanted), BLOCK_ROWS):
        residual = _residual(embeddings, predictions, cache, wanted[part], beta)
        dense = predictions.dense(wanted[part]).astype(np.float64)
        logits = np.log(np.maximum(dense, SMALLEST_PROBABILITY)) + weight * residual
        refined[part] = normalise_rows(np.exp(logits - logits.max(axis=1, keepdims=True)))
    return refined


def cached_rows(embeddings: npt.NDArray[Any], predictions: SparseProbabilities, per_class: int) -> Int64Array:
    """The pool's rows kept for each predicted class, best first: int64 (n_classes, per_class), -1 where there are none.

    Best is the largest confidence * cosine to the prototype, the mean of the predicted class's embeddings of length 1;
    of equals the lowest row. Where confidences are saturated the prototype decides, and the reverse.
    """
    predicted, confidence = predictions.classes[:, 0], predictions.probabilities[:, 0].astype(np.float64)
    score = confidence * _prototype_scores(embeddings, predicted, predictions.n_classes)
    order = np.lexsort((-score, predicted))
    order = order[predicted[order] >= 0]
    counts = np.bincount(predicted[order], minlength=predictions.n_classes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    cache = np.full((predictions.n_classes, per_class), -1, dtype=np.int64)
    kept = place < per_class
    cache[predicted[order[kept]], place[kept]] = order[kept]
    return cache


def _prototype_scores(embeddings: npt.NDArray[Any], predicted: Int64Array, n_classes: int) -> Float64Array:
    # Sums of multiples of 2^-26 are exact up to 2^27 rows a class: no order of the rows changes a prototype.
    sums = np.zeros((n_classes, embeddings.shape[1]))
    for block in row_blocks(len(embeddings)):
        classes, units = predicted[block], unit_rows(embeddings[block])[0]
        np.add.at(sums, classes[classes >= 0], units[classes >= 0])
    prototypes = unit_rows(sums)[0]
    scores = np.empty(len(embeddings))
    for block in row_blocks(len(embeddings)):
        scores[block] = (unit_rows(embeddings[block])[0] * prototypes[predicted[block]]).sum(axis=1)
    return scores


def _residual(
    embeddings: npt.NDArray[Any], predictions: SparseProbabilities, cache: Int64Array, block: Int64Array, beta: float
) -> Float64Array:
    residual = np.empty((len(block), len(cache)))
    features, opinions = unit_rows(embeddings[block])[0].T, _opinions(predictions, block).T
    for first in range(0, len(cache), BLOCK_CLASSES):
        kept = cache[first : first + BLOCK_CLASSES]
        rows = np.maximum(kept.ravel(), 0)
        distance = 1.0 - unit_rows(embeddings[rows])[0] @ features
        influence = np.exp(-beta * distance) * (_opinions(predictions, rows) @ opinions)
        counted = (kept.ravel()[:, None] >= 0) & (kept.ravel()[:, None] != block)
        shape = (*kept.shape, len(block))
        sums = np.where(counted, influence, 0.0).reshape(shape).sum(axis=1)
        residual[:, first : first + BLOCK_CLASSES] = (sums / np.maximum(counted.reshape(shape).sum(axis=1), 1)).T
    return residual


def _opinions(predictions: SparseProbabilities, rows: Int64Array) -> Float64Array:
    """Square roots of the probabilities: of length 1, so that their product is exact as the features' is."""
    return unit_rows(np.sqrt(predictions.dense(rows)))[0]
