"""Labels from texts of the classes as a label maker: no label is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import LabelMaker
from windrow.tasks.algorithms.labels.makers.cache_refinement import CacheConfig, cache_refinement
from windrow.tasks.algorithms.labels.makers.clusterer_settings import ZeroShotSettings
from windrow.tasks.algorithms.labels.makers.sinkhorn import row_blocks
from windrow.tasks.algorithms.labels.makers.zero_shot import CLIP_SCALE, zero_shot
from windrow.tasks.algorithms.labels.multi_label import multi_label
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import check_embeddings

# Classes of a sample that its zero-shot prediction is kept with, for the refinement.
KEPT = 10
DEFAULT = ZeroShotSettings()


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


def zero_shot_maker(
    embeddings: npt.NDArray[Any], texts: TextClasses, settings: ZeroShotSettings = DEFAULT
) -> LabelMaker:
    """A maker that compares embeddings (n, dim) with texts, and with settings.refine corrects that by the pool (TFUP).

    The labels that it is called with do not matter. Without refinement only the rows asked for are looked at; with it,
    the pool's predictions are made on the first use and kept, 12 bytes for each of ten classes a sample, and its
    projected embeddings, 4 n d bytes, where there is a projection.
    """
    scale = texts.scale if settings.scale is None else settings.scale

    @cache
    def pool() -> tuple[npt.NDArray[Any], SparseProbabilities]:
        projected = texts.project(embeddings)
        probabilities = zero_shot(projected, texts.prototypes, scale)
        return projected, SparseProbabilities.of(probabilities, min(KEPT, probabilities.shape[1]))

    def make(_: Int64Array, rows: Int64Array) -> Float32Array:
        if not settings.refine:
            return zero_shot(texts.project(embeddings[rows]), texts.prototypes, scale)
        config = CacheConfig(settings.per_class, settings.beta, settings.weight)
        return cache_refinement(*pool(), config, rows)

    return make


def multi_label_scores(
    embeddings: npt.NDArray[Any],
    snippets: npt.NDArray[Any],
    texts: TextClasses,
    threshold: float = 0.5,
    scale: float | None = None,
) -> Float32Array:
    """CDUL's scores float32 (n, n_classes), one a class from 0 to 1: rows do not sum to 1, so this is no label maker.

    embeddings (n, dim) of pictures and snippets (n, n_snippets, dim) of their parts, by one backbone; see
    `multi_label`. scale None: the texts'.
    """
    of_texts = texts.scale if scale is None else scale
    return multi_label(texts.project(embeddings), texts.project(snippets), texts.prototypes, of_texts, threshold)
