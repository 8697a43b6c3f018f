"""What lies in a store and is not the store's: a copy made by hand, or a record that is damaged. It stops no reader."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path


@cache
def leave_out(path: Path, why: str) -> None:
    """Say once that a file or folder is not read, and why."""
    logging.getLogger("windrow").warning("%s %s: it is left out (`windrow verify` says more)", path, why)
