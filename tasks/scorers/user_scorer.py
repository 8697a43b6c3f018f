"""A scorer of the user's own: `model: python:MODULE:CLASS`, a class that is called with the ScorerConfig and has

- `score(images)`: RGB pictures of any sizes, at most `batch_size` → floats (n, n_classes), each independent of the
  others, their columns those of `classes`;
- and if it likes: `min_side`, `files` and `version`, as a backbone of the user's own (`user_backbone.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.backbones.user_backbone import WHOLE, user_version
from windrow.tasks.scorers.scorer import ScorerConfig
from windrow.tasks.user_code import make_user_object


class UserScorer:
    """A Scorer from a class of the user's own. Raises ValueError naming it, and what came, where it does not fit."""

    def __init__(self, config: ScorerConfig) -> None:
        self.name, self.columns, self._model = config.name, config.classes, config.model
        self._made = make_user_object(config.model, ("score",), config)
        self.min_side = getattr(self._made, "min_side", WHOLE)
        self.version, self.files = user_version(config.model, self._made)
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        self.score([Image.fromarray(noise)])

    def score(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        if not images:
            return np.empty((0, len(self.columns)), np.float32)
        scores = np.asarray(self._made.score(images))
        if scores.shape != (len(images), len(self.columns)) or scores.dtype.kind != "f":
            wanted = f"floats of shape ({len(images)}, {len(self.columns)}), a column for each of `classes`"
            raise ValueError(f"{self._model!r}: score() gave {scores.dtype} of shape {scores.shape}, wants {wanted}")
        return scores.astype(np.float32)
