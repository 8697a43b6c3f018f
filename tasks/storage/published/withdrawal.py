"""Withdrawn versions: nothing is left of one but its number, which is never given again, and `withdrawn.json`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from windrow.tasks.storage.files.seals import read_sealed
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.store.outputs import MANIFEST

WITHDRAWN = "withdrawn.json"


def is_withdrawn(path: Path) -> bool:
    """Say whether a version was withdrawn."""
    return (path / WITHDRAWN).is_file()


def withdraw_version(path: Path, why: Mapping[str, Any]) -> None:
    """Delete everything of a version and leave `why`; from the first step on readers see it as withdrawn."""
    if not is_withdrawn(path):
        write_atomically(path / WITHDRAWN, json.dumps(why, indent=1))
    (path / MANIFEST).unlink(missing_ok=True)
    for left in path.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != WITHDRAWN:
            left.unlink()


def withdrawal_text(path: Path) -> str:
    """Return one line about a withdrawn version: when, and what to use in its place."""
    why = read_sealed(path / WITHDRAWN)
    left = [file.parent.name for file in path.parent.glob(f"v*/{MANIFEST}") if not is_withdrawn(file.parent)]
    last = max(left, key=lambda name: (len(name), name), default=None)
    use = f"use {last}" if last else "`windrow run` publishes one without what was forgotten"
    return f"{path} was withdrawn on {why['withdrawn_at'][:10]}: see {path / WITHDRAWN}; {use}"
