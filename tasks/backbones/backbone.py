"""What a feature extractor is, and what the user can say about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.schemas.settings import IsPath

PREFIXES = ("hf", "timm", "open_clip", "export", "torchscript")

Pooling = Literal["auto", "pooler", "cls", "mean"]


class BackboneUnavailable(Exception):  # noqa: N818  (it says what is missing and what to do about it)
    """The backbone cannot be loaded here; the message says what to install, download or change."""


class Backbone(Protocol):
    """Turns pictures into vectors.

    Attributes: `name` as the user wrote it; `version`, the first 16 hex digits of the SHA-256 of the weights; `dim`;
    `layer`, `pooling` and `precision` ('float32' or 'bfloat16'); `preprocessing`, the whole recipe from bytes to the
    model's input. Two backbones that agree on all of these and on `batch_size` give the same embeddings on the same
    kind of device. `min_side` is the least side, in pixels, that `prepare` can use: what a JPEG may be drafted to.
    """

    name: str
    version: str
    dim: int
    layer: str
    pooling: str
    precision: str
    preprocessing: str
    batch_size: int
    min_side: int

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """An RGB picture of any size → (channels, height, width), always of one shape. Called from many threads."""
        ...

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(n, channels, height, width) from `prepare` → (n, dim), in the same order.

        A picture's embedding does not depend on the others in its batch, nor on how many there are.
        """
        ...


@dataclass(frozen=True)
class BackboneConfig:
    """Which feature extractor, and how it runs.

    `name`: 'patches' (fitted on the pool: no download, no labels), 'hf:FOLDER' or 'hf:HUB/ID', 'timm:NAME',
    'open_clip:NAME/PRETRAINED', 'export:FILE.pt2' or 'torchscript:FILE.pt'. The last two are programs: they run as
    code, so name only files you trust.
    `image_size`: side in pixels of the model's input; None takes what the backbone was made with.
    `batch_size`: images a forward pass. Rounding may depend on it, so it is part of what identifies embeddings.
    `layer`, `pooling`: for 'hf' only. Hidden state to use (-1 is the model's output), and how it becomes one vector:
    the model's own pooler, its first token, or the mean of its patches; 'auto' is the first of these it has.
    `device`: 'auto' is 'cuda' where there is one. `precision`: 'auto' is bfloat16 on a GPU and float32 elsewhere.
    """

    name: Annotated[str, IsPath("export:|torchscript:", if_there="hf:|timm:|open_clip:[^/]*/")] = "patches"
    image_size: int | None = None
    batch_size: int = 64
    layer: int = -1
    pooling: Pooling = "auto"
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        prefix, _, rest = self.name.partition(":")
        if self.name != "patches" and (prefix not in PREFIXES or not rest):
            known = ", ".join(f"{p}:..." for p in PREFIXES)
            raise ValueError(f"name must be 'patches' or one of {known}, got {self.name!r}")
        if self.image_size is not None and self.image_size < 16:
            raise ValueError(f"image_size must be None or at least 16, got {self.image_size}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.pooling not in ("auto", "pooler", "cls", "mean"):
            raise ValueError(f"pooling must be auto, pooler, cls or mean, got {self.pooling!r}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"precision must be auto, float32 or bfloat16, got {self.precision!r}")
        if prefix != "hf" and (self.layer != -1 or self.pooling != "auto"):
            raise ValueError(f"layer and pooling can be chosen for 'hf:' only, got {self.name!r}")
        if self.layer != -1 and self.pooling == "pooler":
            raise ValueError(f"pooling 'pooler' belongs to layer -1, got layer {self.layer}")
