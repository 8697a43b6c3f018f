"""Several labels a picture, from a model that compares pictures with texts: the whole picture's view and its parts'."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.makers.zero_shot import CLIP_SCALE, zero_shot

BLOCK = 1024


def multi_label(
    embeddings: npt.NDArray[Any],
    snippets: npt.NDArray[Any],
    prototypes: Float64Array,
    scale: float = CLIP_SCALE,
    threshold: float = 0.5,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Scores float32 (n, n_classes) from 0 to 1, one a class: rows do not sum to 1, and may say several or none.

    The initialisation of Abdelfattah et al. 2023, CDUL: CLIP-driven unsupervised learning for multi-label image
    classification: `blend_views` of the zero-shot probabilities of whole pictures, embeddings (n, d), and of their
    snippets (n, n_snippets, d), the cells of a grid that were cut out and embedded on their own. rows: only these
    rows, in that order. A class is in a picture or it is not: read a score against 0.5, never against the others.
    """
    if snippets.ndim != 3 or len(snippets) != len(embeddings) or not snippets.shape[1]:
        raise ValueError(
            f"snippets must have shape (n, n_snippets, d) for the {len(embeddings)} rows, got {snippets.shape}"
        )
    wanted = np.arange(len(embeddings), dtype=np.int64) if rows is None else rows
    scores = np.empty((len(wanted), len(prototypes)), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        block = wanted[start : start + BLOCK]
        parts = zero_shot(snippets[block].reshape(-1, snippets.shape[2]), prototypes, scale)
        whole = zero_shot(embeddings[block], prototypes, scale)
        scores[start : start + BLOCK] = blend_views(whole, parts.reshape(len(block), -1, len(prototypes)), threshold)
    return scores


def blend_views(whole: Float32Array, parts: Float32Array, threshold: float = 0.5) -> Float32Array:
    """The mean of a picture's probabilities, whole (n, n_classes), and of what its parts say together.

    parts: (n, n_snippets, n_classes). With a the largest of a class's probabilities over the snippets and b the
    smallest, the parts say a where a >= threshold, since one snippet that shows it is enough, and b elsewhere, since
    then every snippet denies it.
    """
    if whole.ndim != 2 or parts.ndim != 3 or not parts.shape[1] or whole.shape != (len(parts), parts.shape[2]):
        raise ValueError(
            f"whole must be (n, n_classes) and parts (n, n_snippets, n_classes), got {whole.shape} and {parts.shape}"
        )
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be from 0 to 1, got {threshold}")
    largest = parts.max(axis=1)
    # In float32, as the probabilities are: 0.9 is then not below a threshold of 0.9.
    together = np.where(largest >= np.float32(threshold), largest, parts.min(axis=1))
    return np.asarray((whole + together) / 2, dtype=np.float32)
