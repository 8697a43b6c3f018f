"""How soft labels are called in an export: a column, and a folder of a version, for each label set that has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SoftKind = Literal["none", "probabilities", "logits"]
SOFT_COLUMNS: Mapping[str, str] = {"probabilities": "soft_label", "logits": "logits"}
"""The column of `export.label_set`; that of a further label set is `<label set>_<column>`."""


@dataclass(frozen=True)
class SoftLabelSet:
    """A label set whose soft labels are exported: its number among those, its name, and the column that they have."""

    number: int
    name: str
    column: str

    @property
    def file(self) -> str:
        """What its file is called in the output of a shard."""
        return f"soft-{self.number}.npy"

    @property
    def folder(self) -> str:
        """Where its files lie in a version."""
        return f"soft_labels/{self.number}-{re.sub(r'[^A-Za-z0-9_.-]', '_', self.name)}"


def soft_label_sets(kind: str, label_sets: Sequence[str]) -> list[SoftLabelSet]:
    """Return those that are asked for: that of `label`, which comes first, then the further ones."""
    word = SOFT_COLUMNS.get(kind)
    if word is None:
        return []
    return [SoftLabelSet(n, name, f"{name}_{word}" if n else word) for n, name in enumerate(label_sets)]


def published_soft(manifest: Mapping[str, Any]) -> list[SoftLabelSet]:
    """Return those that a version has."""
    config = manifest["config"]
    asked = soft_label_sets(config["soft_labels"], [config["label_set"], *config["label_sets"]])
    paths = [file["path"] for file in manifest["files"]]
    return [each for each in asked if any(path.startswith(f"{each.folder}/") for path in paths)]
