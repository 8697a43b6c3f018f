"""A picture cut into a grid of snippets, each of which a backbone embeds as it does a whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.backbones.backbone import Backbone
from windrow.tasks.pictures.guarded import Preparation


def cut(image: Image.Image, grid: int) -> Iterator[Image.Image]:
    """Yield the grid x grid snippets of a picture, row by row; they cover it, and of a tiny one they share pixels."""
    for row in range(grid):
        for column in range(grid):
            left, top = image.width * column // grid, image.height * row // grid
            right, bottom = image.width * (column + 1) // grid, image.height * (row + 1) // grid
            yield image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


@dataclass(frozen=True)
class SnippetPreparation:
    """Prepares every snippet as `whole` prepares a picture: (grid * grid, channels, height, width)."""

    whole: Preparation
    grid: int

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return np.stack([self.whole.prepare(snippet) for snippet in cut(image, self.grid)])


class SnippetBackbone:
    """A Backbone whose vector of a picture is those of its snippets, one after the other: grid * grid * whole.dim.

    Abdelfattah et al. 2023, CDUL: CLIP-driven unsupervised learning for multi-label image classification, section 3.1.
    As many pictures go together as give the whole picture's batch, or else one.
    """

    def __init__(self, whole: Backbone, grid: int) -> None:
        self._whole, self.grid = whole, grid
        self.name, self.version, self.layer, self.pooling = whole.name, whole.version, whole.layer, whole.pooling
        self.precision, self.preprocessing = whole.precision, f"{grid} x {grid} snippets, each: {whole.preprocessing}"
        self.dim, self.min_side = grid * grid * whole.dim, grid * whole.min_side
        self.batch_size = max(1, whole.batch_size // (grid * grid))
        self.preparation = whole.preparation and SnippetPreparation(whole.preparation, grid)
        self.files: tuple[Path, ...] | None = whole.files

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return SnippetPreparation(self._whole, self.grid).prepare(image)

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._whole.embed(batch.reshape(-1, *batch.shape[2:])).reshape(len(batch), self.dim)
