"""Soft labels of a version, read as they are asked for: a file of numbers for each shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.schemas.texts.soft_names import published_soft


@dataclass(frozen=True)
class SoftColumn:
    """Rows of float16 (n_classes,), by shard and place in it. Files are mapped when they are first read."""

    paths: tuple[str, ...]
    _opened: dict[int, npt.NDArray[np.float16]] = field(default_factory=dict, compare=False)

    def read(self, shards: npt.NDArray[np.int32], rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return float32 (n, n_classes); NaN for a sample without soft labels."""
        return np.stack([self._shard(shard)[row] for shard, row in zip(shards.tolist(), rows, strict=True)]).astype(
            np.float32
        )

    def _shard(self, number: int) -> npt.NDArray[np.float16]:
        if number not in self._opened:
            self._opened[number] = np.load(self.paths[number], mmap_mode="r", allow_pickle=False)
        return self._opened[number]

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths, "_opened": {}}


def soft_columns(version: Path, manifest: Mapping[str, Any], split: str) -> dict[str, SoftColumn]:
    """Return the columns of soft labels that a version has, by their names, over the shards of a split in order."""
    found = {}
    for each in published_soft(manifest):
        files = [file for file in manifest["files"] if file["path"].startswith(f"{each.folder}/")]
        paths = tuple(str(version / file["path"]) for file in files if file["split"] == split)
        found[each.column] = SoftColumn(paths)
    return found


def joined_soft_columns(
    parts: Sequence[Mapping[str, SoftColumn]], classes: Sequence[Sequence[str]]
) -> dict[str, SoftColumn]:
    """Return the columns of several versions, one after the other; none where their classes differ."""
    if any(tuple(each) != tuple(classes[0]) for each in classes):
        return {}
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: SoftColumn(tuple(path for part in parts for path in part[name].paths)) for name in names}
