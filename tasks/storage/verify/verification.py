"""Verification: is a store, or a version of a curated set, as it was written, and does it fit together?

Files are read in pieces, tars member by member and Parquet files by groups of rows, so memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from windrow.tasks.storage.store.outputs import MANIFEST, REMEMBERED
from windrow.tasks.storage.store.registry import registry_files
from windrow.tasks.storage.store.store_format import FORMAT_FILE, check_format
from windrow.tasks.storage.verify.absences import inspect_absences
from windrow.tasks.storage.verify.findings import UNFINISHED, Damage, Inspection
from windrow.tasks.storage.verify.output_inspection import inspect_outputs, inspect_runs
from windrow.tasks.storage.verify.registry_inspection import inspect_registry
from windrow.tasks.storage.verify.table_inspection import inspect_run_tables
from windrow.tasks.storage.verify.version_inspection import inspect_version, inspect_versions

PARTS = ("outputs", "curated", "runs", "registry", "journal", "forgotten", "corrections", "takedowns")


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what was found: `damage` by path, `unchecked` what damage kept from being looked at.

    `n_bytes` is of distinct files; a file that has two names, as the shards of versions have, is counted once.
    """

    damage: tuple[Damage, ...]
    unchecked: tuple[str, ...]
    n_files: int
    n_bytes: int
    n_rows: int


def verify(path: Path, quick: bool = False, progress: Callable[[int, str], None] | None = None) -> Verification:
    """Look at a store or at a version, by its folder. `quick` reads tables and manifests, and hashes nothing else.

    `progress` is called with the bytes just read (see `bytes_to_read`), and their file's name. Damage is reported and
    never raised. Raises ValueError when `path` is neither a store nor a version.
    """
    inspection = Inspection(path, quick, progress)
    if is_version(path):
        inspect_version(inspection, path)
    else:
        _inspect_format(inspection, path)
        _verify_store(inspection, path)
    damage = sorted(set(inspection.damage), key=lambda each: (each.path, each.reason))
    return Verification(
        tuple(damage), tuple(inspection.unchecked), inspection.n_files, inspection.n_bytes, inspection.n_rows
    )


def is_version(path: Path) -> bool:
    """Say whether a folder is to be looked at as a version. Raises ValueError when it is no store either."""
    if (path / MANIFEST).is_file():
        return True
    if not any((path / part).is_dir() for part in PARTS):
        raise ValueError(f"{path} is no store, and no version of a curated set: it has no {MANIFEST}")
    return False


def _inspect_format(inspection: Inspection, store: Path) -> None:
    """Raise ValueError where a store has another format, or does not say which."""
    if not (store / FORMAT_FILE).exists() or inspection.sealed(store / FORMAT_FILE) is not None:
        check_format(store)


def _verify_store(inspection: Inspection, store: Path) -> None:
    inspect_outputs(inspection, store)
    inspect_registry(inspection, store)
    runs = inspect_runs(inspection, store)
    inspect_versions(inspection, store, registry_files(store))
    inspect_absences(inspection, store)
    for path in sorted((store / REMEMBERED).glob("[!.]*.json")):
        inspection.sealed(path)
    last = {run.name: run for run in runs}
    for run in last.values():
        inspect_run_tables(inspection, run)


def bytes_to_read(path: Path) -> int:
    """Return the bytes that `verify` reads of a sound store or version: distinct files once, and then their shards."""
    sizes: dict[tuple[int, int], int] = {}
    again = 0
    for file in path.rglob("*"):
        unread = file.suffix == ".html" or any(part.startswith(UNFINISHED) for part in file.relative_to(path).parts)
        if file.is_file() and not unread:
            status = file.stat()
            sizes[status.st_dev, status.st_ino] = status.st_size
            is_shard = (file.parent.name, file.suffix) in (("webdataset", ".tar"), ("parquet", ".parquet"))
            again += status.st_size if is_shard else 0
    return sum(sizes.values()) + again
