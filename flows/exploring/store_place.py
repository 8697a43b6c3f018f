"""Which store is meant: told before what explores it is imported, which takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

from windrow.flows.commands.subjects.parameters import DEFAULT_CONFIG, DEFAULT_STORE


def store_at(place: Path | None) -> Path:
    """Return the folder of a store. Raises ValueError where there is none.

    `place`: the folder, or a config that names it; without one, WINDROW_STORE, then `windrow.yaml` if there is such a
    file, then the default.
    """
    if place is None:
        named = os.environ.get("WINDROW_STORE")
        place = Path(named) if named else DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else DEFAULT_STORE
    if place.is_file():
        from windrow.tasks.config import load_config

        return Path(load_config(place, []).store)
    if not (place / "runs").is_dir():
        raise ValueError(f"{place} is no store and no config: `windrow run` makes a store")
    return place
