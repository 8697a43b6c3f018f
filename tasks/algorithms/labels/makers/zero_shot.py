"""Labels from the names of the classes: embeddings compared with embeddings of texts, in one space (CLIP)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import check_embeddings, unit_rows

BLOCK = 8192
# exp of what CLIP's learned logit scale is clipped to, and where it ends.
CLIP_SCALE = 100.0


def class_prototypes(texts: npt.NDArray[Any]) -> Float64Array:
    """The prototype of each class, float64 (n_classes, d) of length 1: the re-normalised mean over its templates.

    texts: (n_classes, n_templates, d), the embedding of each class's name in each template ('a photo of a {}.'), of any
    length: each is divided by its own first, so that no template weighs more. Radford et al. 2021, Learning
    transferable visual models from natural language supervision, section 3.1.4. The order of the templates does not
    matter, to the last bit. Raises ValueError for a class whose templates cancel out.
    """
    if texts.ndim != 3 or not texts.shape[0] or not texts.shape[1]:
        raise ValueError(f"texts must have shape (n_classes, n_templates, d), got {texts.shape}")
    n_classes, n_templates, d = texts.shape
    check_embeddings("texts", texts.reshape(-1, d))
    units = unit_rows(texts.reshape(-1, d))[0].reshape(n_classes, n_templates, d)
    prototypes, norms = unit_rows(units.sum(axis=1))
    empty = np.flatnonzero(norms == 0)
    if len(empty):
        raise ValueError(f"texts must give every class a direction, those of class {empty[0]} add up to 0")
    return prototypes


def zero_shot(
    embeddings: npt.NDArray[Any], prototypes: Float64Array, scale: float = CLIP_SCALE, rows: Int64Array | None = None
) -> Float32Array:
    """Probabilities (n, n_classes) = softmax(scale * cosine(embedding, prototype)); no labels are asked for.

    embeddings: (n, d), the projected image embeddings of the model whose texts made the prototypes (n_classes, d).
    scale: CLIP's logit scale, an inverse temperature. rows: only these rows of the pool, in that order. A zero
    embedding gets uniform shares. The same bytes whatever else is in the pool, and for any number of threads.
    """
    check_embeddings("embeddings", embeddings)
    check_embeddings("prototypes", prototypes)
    if embeddings.shape[1] != prototypes.shape[1]:
        raise ValueError(f"embeddings have {embeddings.shape[1]} dimensions and prototypes {prototypes.shape[1]}")
    if not scale > 0:
        raise ValueError(f"scale must be positive, got {scale}")
    columns = unit_rows(prototypes)[0].T
    wanted = np.arange(len(embeddings), dtype=np.int64) if rows is None else rows
    probabilities = np.empty((len(wanted), columns.shape[1]), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        logits = scale * (unit_rows(embeddings[wanted[start : start + BLOCK]])[0] @ columns)
        probabilities[start : start + BLOCK] = normalise_rows(np.exp(logits - logits.max(axis=1, keepdims=True)))
    return probabilities
