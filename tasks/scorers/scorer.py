"""What a model that scores pictures is, and what the user can say about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.schemas.settings import IsPath


class Scorer(Protocol):
    """Gives each picture one number a column.

    Attributes: `name` as the user chose it; `version`, a hash of all files that the scores depend on; `columns`, what
    the numbers are; `min_side`, the least side in pixels that it can use: what a JPEG may be drafted to.
    """

    name: str
    version: str
    columns: tuple[str, ...]
    min_side: int

    def score(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """RGB pictures of any sizes → (n, columns), in the same order.

        A picture's scores do not depend on the others, nor on how many there are.
        """
        ...


@dataclass(frozen=True)
class ScorerConfig:
    """A model whose scores become `model_scores['NAME.CLASS']` of the table `pool`.

    `name`: of the scorer. `model`: folder of an image classifier saved with Hugging Face's `save_pretrained()`, with
    safetensors weights; it is read without any network call, and no code from it is run. `classes`: the classes, as
    its config.json names them, whose probabilities are kept. `batch_size`: images a forward pass. `device`: 'auto' is
    'cuda' where there is one.
    """

    name: str
    model: Annotated[str, IsPath("(?!python:)")]
    classes: tuple[str, ...]
    batch_size: int = 32
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.name or "." in self.name:
            raise ValueError(f"scores.name: wants a name without a dot, got {self.name!r}")
        if not self.model:
            raise ValueError(f"scores.model: wants the folder of a classifier, got {self.model!r}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"scores.classes: wants one or more different classes, got {self.classes}")
        if self.batch_size < 1:
            raise ValueError(f"scores.batch_size: wants 1 or more, got {self.batch_size}")
