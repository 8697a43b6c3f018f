"""A backbone of the user's own: 'python:MODULE:CLASS', a class that is called with the BackboneConfig and has

- `dim`, the length of an embedding;
- `prepare(image)`: an RGB picture of any size → a uint8 array, always of one shape; called from many threads;
- `embed(batch)`: these, stacked, at most `batch_size` of them → floats (n, dim), each independent of the others;
- and if it likes: `min_side`, the least side in pixels to which a JPEG may be drafted (it comes whole without);
  `files`, the paths of its weights; `version`, a text that says which weights it has, where `files` does not.

The SHA-256 of the module's source and of `files`, and `version`, are the version of its embeddings.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.backbones.weight_files import hash_files
from windrow.tasks.pictures.decoding import DECODE_RECIPE
from windrow.tasks.user_code import make_user_object, user_code_digest

WHOLE = 65_535
"""Pixels: no side of a JPEG is longer, so none is drafted."""


class UserBackbone:
    """A Backbone from a class of the user's own. Raises ValueError naming it, and what came, where it does not fit."""

    layer, pooling = "-1", "model"
    preparation = None  # the sandbox's limits are not for code of the user's own

    def __init__(self, config: BackboneConfig) -> None:
        self.name, self.batch_size, self.precision = config.name, config.batch_size, config.precision
        self._made = make_user_object(config.name, ("prepare", "embed"), config)
        self.dim = self._positive("dim", None)
        self.min_side = self._positive("min_side", WHOLE)
        self.version, self.files = user_version(config.name, self._made)
        self.preprocessing = f"{DECODE_RECIPE}; {config.name} at image_size {config.image_size}"
        try:
            self._try_out()
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{self.name!r}: trying it out raised {type(error).__name__}: {error}") from error

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return np.asarray(self._made.prepare(image))

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = np.asarray(self._made.embed(batch))
        if rows.shape != (len(batch), self.dim) or rows.dtype.kind != "f":
            wanted = f"floats of shape ({len(batch)}, {self.dim})"
            raise ValueError(f"{self.name!r}: embed() gave {rows.dtype} of shape {rows.shape}, wants {wanted}")
        return rows.astype(np.float32)

    def _positive(self, name: str, default: int | None) -> int:
        value = getattr(self._made, name, default)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{self.name!r}: {name}: wants a whole number of 1 or more, got {value!r}")
        return value

    def _try_out(self) -> None:
        """Two pictures of noise, of different shapes: what fails later for thousands fails here for these."""
        noise = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
        prepared = [self.prepare(Image.fromarray(pixels)) for pixels in (noise[0], noise[1].transpose(1, 0, 2))]
        for each in prepared:
            if each.dtype != np.uint8 or each.shape != prepared[0].shape:
                came = f"{each.dtype} of shape {each.shape}"
                raise ValueError(
                    f"{self.name!r}: prepare() gave {came}, wants uint8 of one shape, as {prepared[0].shape}"
                )
        rows = self.embed(np.stack(prepared))
        if not np.isfinite(rows).all():
            raise ValueError(f"{self.name!r}: embed() gave numbers that are not finite: {rows[~np.isfinite(rows)][0]}")


def user_version(name: str, made: Any) -> tuple[str, tuple[Path, ...] | None]:
    """The version of what code of the user's own made, and the files that it may be told from.

    These are None where it has a `version` but names no `files`: only loading it can tell.
    """
    files = tuple(Path(file) for file in getattr(made, "files", ()))
    digest = hashlib.sha256(f"{user_code_digest(name)} {hash_files(files)} {getattr(made, 'version', '')}".encode())
    is_told = hasattr(made, "files") or not hasattr(made, "version")
    return digest.hexdigest()[:16], files if is_told else None
