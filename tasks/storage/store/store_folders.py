"""Which folders are stores: what they hold is made from sources, and is never one itself."""

from __future__ import annotations

import os
from pathlib import Path

_MARKS = ("runs", "journal")
_LOCK = "lock"


def is_store(folder: str | Path) -> bool:
    """Say whether a folder is a store, by what every run makes in it first."""
    is_there = os.path.exists(os.path.join(folder, _LOCK))  # noqa: PTH110, PTH118  (asked of every folder)
    return is_there and all(os.path.isdir(os.path.join(folder, mark)) for mark in _MARKS)  # noqa: PTH112, PTH118


def store_above(path: Path) -> Path | None:
    """Return the store that a path is, or lies in, links followed; None where it is in none."""
    real = path.resolve()
    return next((folder for folder in (real, *real.parents) if is_store(folder)), None)
