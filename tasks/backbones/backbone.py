"""What a feature extractor is, and what the user can say about one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from annotated_types import Ge

from windrow.schemas.settings import IsPath, Settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from windrow.tasks.pictures.guarded import Preparation

AUTO = "auto"
"""The name that leaves it to the pool which of BACKBONES is taken."""
BACKBONES = {
    "lite0": "windrow.tasks.backbones.lite0:Lite0",
    "patches": "windrow.tasks.backbones.patches:Patches",
    "hf:": "windrow.tasks.backbones.huggingface:HuggingFace",
    "timm:": "windrow.tasks.backbones.timm_models:Timm",
    "open_clip:": "windrow.tasks.backbones.open_clip_models:OpenClip",
    "export:": "windrow.tasks.backbones.exported_models:Exported",
    "torchscript:": "windrow.tasks.backbones.exported_models:Exported",
    "python:": "windrow.tasks.backbones.user_backbone:UserBackbone",
}
"""What `name` may be, or begin with: the module and its class, which is called with the config.

The class of a key that is in FITTED_KINDS is fitted on the pool: its `fit` writes a file, with which it is called, too.
"""
FITTED_KINDS = frozenset({"patches"})
TEXT_KINDS = frozenset({"hf:", "open_clip:"})
"""Those that may have a text side: CLIP, SigLIP and the like."""
SIZED_KINDS = frozenset({"lite0"})
"""Those that see pictures at a size that suits the pool, unless the config says at which."""

Pooling = Literal["auto", "pooler", "cls", "mean"]


class BackboneUnavailable(Exception):  # noqa: N818  (it says what is missing and what to do about it)
    """The backbone cannot be loaded here; the message says what to install, download or change."""


class Backbone(Protocol):
    """Turns pictures into vectors.

    Attributes: `name` as the user wrote it; `version`, the first 16 hex digits of the SHA-256 of the weights; `dim`;
    `layer`, `pooling` and `precision` ('float32' or 'bfloat16'); `preprocessing`, the whole recipe from bytes to the
    model's input. Two backbones that agree on all of these and on `batch_size` give the same embeddings on the same
    kind of device. `min_side` is the least side, in pixels, that `prepare` can use: what a JPEG may be drafted to.
    `preparation` is what `prepare` does, to be done where pictures are decoded; None where it must be done here.
    `files` is what it was loaded from: while these are as they were it need not be loaded again to be told; None where
    that cannot be said.
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
    preparation: Preparation | None
    files: tuple[Path, ...] | None

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """An RGB picture of any size → (channels, height, width), always of one shape. Called from many threads."""
        ...

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(n, channels, height, width) from `prepare` → (n, dim), in the same order.

        A picture's embedding does not depend on the others in its batch, nor on how many there are.
        """
        ...


@dataclass(frozen=True)
class BackboneConfig(Settings):
    """Which feature extractor, and how it runs.

    `name`: 'auto' ('lite0', or 'patches' where most pictures are drawings or scans in grey: the first run looks, and
    its store keeps to it), 'lite0' (an EfficientNet-Lite0 that knows photographs; it comes with the installation),
    'patches' (fitted on the pool), 'hf:FOLDER' or 'hf:HUB/ID', 'timm:NAME', 'open_clip:NAME/PRETRAINED',
    'export:FILE.pt2', 'torchscript:FILE.pt' or 'python:MODULE:CLASS', a class of your own (see `user_backbone.py`). The
    last three are programs: they run as code, so name only what you trust.
    `image_size`: side in pixels of the model's input; None takes what the backbone was made with, and for 'lite0' 96 or
    224 by the sizes of the pool's pictures.
    `batch_size`: images a forward pass. Rounding may depend on it, so it is part of what identifies embeddings.
    `layer`, `pooling`: for 'hf' only. Hidden state to use (-1 is the model's output), and how it becomes one vector:
    the model's own pooler, its first token, or the mean of its patches; 'auto' is the first of these it has.
    `device`: 'auto' is 'cuda' where there is one. `precision`: 'auto' is bfloat16 on a GPU and float32 elsewhere.
    """

    name: Annotated[str, IsPath("export:|torchscript:", if_there="hf:|timm:|open_clip:[^/]*/")] = AUTO
    image_size: Annotated[int, Ge(16)] | None = None
    batch_size: Annotated[int, Ge(1)] = 64
    layer: int = -1
    pooling: Pooling = "auto"
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._kind() is None:
            known = ", ".join(f"{kind}..." if kind.endswith(":") else repr(kind) for kind in (AUTO, *BACKBONES))
            raise ValueError(f"name: wants one of {known}, got {self.name!r}")
        if self.kind != "hf:" and (self.layer != -1 or self.pooling != "auto"):
            raise ValueError(f"layer, pooling: can be chosen for 'hf:' only, got {self.name!r}")
        if self.layer != -1 and self.pooling == "pooler":
            raise ValueError(f"pooling: 'pooler' belongs to layer -1, got layer {self.layer}")

    @property
    def kind(self) -> str:
        """The key of BACKBONES that `name` stands for, or 'auto'."""
        return self._kind() or ""

    @property
    def is_fitted(self) -> bool:
        """Whether the pool is what it is made from."""
        return self.kind in FITTED_KINDS

    @property
    def is_open(self) -> bool:
        """Whether the pool is still to decide what it is, or at what size it sees."""
        return self.name == AUTO or (self.kind in SIZED_KINDS and self.image_size is None)

    @property
    def has_texts(self) -> bool:
        """Whether its model may have a text side, in whose space pictures are embedded."""
        return self.kind in TEXT_KINDS and self.layer == -1 and self.pooling in ("auto", "pooler")

    def _kind(self) -> str | None:
        prefix, colon, rest = self.name.partition(":")
        kind = prefix + colon
        return kind if kind in (AUTO, *BACKBONES) and bool(rest) == bool(colon) else None
