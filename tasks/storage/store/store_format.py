"""The format of a store: a number in `format.json`, looked at before anything else is read or written.

It is raised with every change that this code, or the code before it, could not read: of a table, a manifest, a record,
or where things lie. A store is never changed from one format to another: its sources are there, and are read again.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.whole_or_absent import write_atomically

FORMAT = 1
FORMAT_FILE = "format.json"
OURS = ("runs/*/run.json", "registry/[0-9]*.parquet", "outputs/*/*/*/manifest.json", "curated/*/v*/manifest.json")
"""What only a store has, and a folder of the user's own with the same names has not."""


def check_format(store: Path) -> None:
    """Raise ValueError, saying what to do, when a store has another format; a folder without a store has none."""
    path = store / FORMAT_FILE
    if not path.exists():
        if any(next(store.glob(pattern), None) for pattern in OURS):
            raise ValueError(
                f"store {store} has no {FORMAT_FILE}: a windrow from before stores had formats made it. "
                f"Name a new folder as the store, and `windrow run` reads the sources again"
            )
        return
    found, made_by = _read(path)
    if found > FORMAT:
        raise ValueError(
            f"store {store} has format {found}, made by windrow {made_by}, and this windrow {version('windrow')} reads "
            f"format {FORMAT}: pip install 'windrow>={made_by}'"
        )
    if found < FORMAT:
        raise ValueError(
            f"store {store} has format {found}, and this windrow {version('windrow')} reads format {FORMAT}: "
            f"pip install 'windrow=={made_by}' opens it, or name a new folder as the store and run again"
        )


def mark_format(store: Path) -> None:
    """Say what format a store has, before anything is put into it. Raises ValueError when it has another."""
    check_format(store)
    if not (store / FORMAT_FILE).exists():
        store.mkdir(parents=True, exist_ok=True)
        write_atomically(store / FORMAT_FILE, sealed_json({"format": FORMAT, "windrow": version("windrow")}))


def _read(path: Path) -> tuple[int, str]:
    try:
        values = read_sealed(path)
        return int(values["format"]), str(values["windrow"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}): bring it back from a copy of the store, or name "
            "a new folder as the store"
        ) from None
