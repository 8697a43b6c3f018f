"""The rounds of a clustering that are done, so that one that was killed goes on from there.

Two runs that make the same output share its rounds: they are the same. Either may forget one that the other is about to
read, and the first to finish removes them all: what is not there is computed, and what cannot be kept is not needed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from windrow.tasks.storage.files.whole_or_absent import new_file


@dataclass(frozen=True)
class RoundFiles:
    """Centroids in a folder, one file a level (`windrow.tasks.algorithms.clustering.hierarchy.Checkpoints`)."""

    folder: Path

    def load(self, level: int, round_: int) -> npt.NDArray[np.float32] | None:
        """The centroids, or None where that round is not known, or its file is damaged."""
        try:
            found: npt.NDArray[np.float32] = np.load(self._path(level, round_), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            return None
        return found

    def save(self, level: int, round_: int, centroids: npt.NDArray[np.float32]) -> None:
        """Keep the centroids of a round, under their name when whole, and forget the level's earlier rounds."""
        with suppress(FileNotFoundError):  # the folder went
            self.folder.mkdir(parents=True, exist_ok=True)
            with new_file(self._path(level, round_)) as file:
                np.save(file, centroids)
            for earlier in range(round_):
                self._path(level, earlier).unlink(missing_ok=True)

    def _path(self, level: int, round_: int) -> Path:
        return self.folder / f"level-{level}-round-{round_}.npy"
