"""Labels from the names of the classes: embeddings compared with embeddings of texts, in one space (CLIP)."""

from dataclasses import dataclass
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
from windrow.tasks.algorithms.labels.probabilities import normalise_rows

# exp of what CLIP's learned logit scale is clipped to, and where it ends.
CLIP_SCALE = 100.0


@dataclass(frozen=True)
class TextClasses:
    """Where the classes lie: prototypes float64 (n_classes, d), as `class_prototypes` makes them of texts.

    image_projection: float32 (dim, d), which takes the pool's embeddings (n, dim) there; None where they are there
    already. scale: the logit scale of the model, for settings that name none.
    """

    prototypes: Float64Array
    image_projection: Float32Array | None = None
    scale: float = CLIP_SCALE

    def __post_init__(self) -> None:
        check_embeddings("prototypes", self.prototypes)
        if self.image_projection is not None:
            check_embeddings("image_projection", self.image_projection)
            if self.image_projection.shape[1] != self.prototypes.shape[1]:
                shapes = f"{self.image_projection.shape} and {self.prototypes.shape}"
                raise ValueError(f"image_projection must be (dim, d) for prototypes (n_classes, d), got {shapes}")
        if not self.scale > 0:
            raise ValueError(f"scale must be positive, got {self.scale}")

    def project(self, embeddings: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Embeddings (..., dim) in the texts' space (..., d), float32; themselves where there is no projection.

        Summed in float64, so that it is the same to float32's last bit or so however many rows there are.
        """
        if self.image_projection is None:
            return embeddings
        dim, d = self.image_projection.shape
        if embeddings.shape[-1] != dim:
            raise ValueError(f"embeddings must have the {dim} dimensions of image_projection, got {embeddings.shape}")
        flat, matrix = embeddings.reshape(-1, dim), self.image_projection.astype(np.float64)
        projected = np.empty((len(flat), d), dtype=np.float32)
        for rows in row_blocks(len(flat)):
            projected[rows] = flat[rows].astype(np.float64) @ matrix
        return projected.reshape(*embeddings.shape[:-1], d)


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
    for block in row_blocks(len(wanted)):
        logits = scale * (unit_rows(embeddings[wanted[block]])[0] @ columns)
        probabilities[block] = normalise_rows(np.exp(logits - logits.max(axis=1, keepdims=True)))
    return probabilities
