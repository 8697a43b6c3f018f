"""The rounds of a clustering that are done, so that one that was killed goes on from there."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RoundFiles:
    """Centroids in a folder, one file a level (`windrow.tasks.algorithms.hierarchy.Checkpoints`)."""

    folder: Path

    def load(self, level: int, round_: int) -> npt.NDArray[np.float32] | None:
        """The centroids, or None where that round is not known."""
        path = self._path(level, round_)
        found: npt.NDArray[np.float32] | None = np.load(path, allow_pickle=False) if path.exists() else None
        return found

    def save(self, level: int, round_: int, centroids: npt.NDArray[np.float32]) -> None:
        """Keep the centroids of a round, under their name when whole, and forget the level's earlier rounds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".tmp-", delete=False) as file:
            np.save(file, centroids)
        Path(file.name).replace(self._path(level, round_))
        for earlier in range(round_):
            self._path(level, earlier).unlink(missing_ok=True)

    def _path(self, level: int, round_: int) -> Path:
        return self.folder / f"level-{level}-round-{round_}.npy"
