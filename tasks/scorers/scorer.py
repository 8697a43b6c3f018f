"""What a model that scores pictures is, and what the user can say about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

from annotated_types import Ge, MinLen

from windrow.schemas.settings import IsPath, Settings
from windrow.schemas.texts.names import check_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

SCORERS = {
    "python:": "windrow.tasks.scorers.user_scorer:UserScorer",
    "": "windrow.tasks.scorers.classifier:ClassifierScorer",
}
"""What `model` may begin with, the first that fits: the module and its class, called with the config."""


class Scorer(Protocol):
    """Gives each picture one number a column.

    Attributes: `name` as the user chose it; `version`, a hash of all files that the scores depend on; `columns`, what
    the numbers are; `min_side`, the least side in pixels that it can use: what a JPEG may be drafted to; `files`, what
    it was loaded from, by which its version can be told without loading it (None: it cannot).
    """

    name: str
    version: str
    columns: tuple[str, ...]
    min_side: int
    files: tuple[Path, ...] | None

    def score(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """RGB pictures of any sizes → (n, columns), in the same order.

        A picture's scores do not depend on the others, nor on how many there are, but for rounding.
        """
        ...


@dataclass(frozen=True)
class ScorerConfig(Settings):
    """A model whose scores become `model_scores['NAME.CLASS']` of the table `pool`.

    `name`: of the scorer. `model`: folder of an image classifier saved with Hugging Face's `save_pretrained()`, with
    safetensors weights; it is read without any network call, and no code from it is run. Or 'python:MODULE:CLASS', a
    class of your own (see `user_scorer.py`), which runs as code. `classes`: the classes, as the model's config.json
    names them, whose probabilities are kept. `batch_size`: images a forward pass. `device`: 'auto' is 'cuda' where
    there is one.
    """

    name: Annotated[str, MinLen(1)]
    model: Annotated[str, MinLen(1), IsPath("(?!python:)")]
    classes: Annotated[tuple[str, ...], MinLen(1)]
    batch_size: Annotated[int, Ge(1)] = 32
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name("name", self.name)
        if "." in self.name:
            raise ValueError(f"name: wants a name without a dot, got {self.name!r}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: wants different classes, got {self.classes}")
