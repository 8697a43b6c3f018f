"""Is all there that something else in the store still names? Whole folders may be lost, with all that is in them.

Outputs are named by the records of runs (`output_inspection`); here are runs, which the journal names, versions, which
runs and the versions after them name, and take-downs. What was withdrawn has left a folder, so it is not missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from windrow.tasks.storage.files.seals import read_sealed
from windrow.tasks.storage.published.versions import is_version_name, version_number
from windrow.tasks.storage.published.withdrawal import WITHDRAWN
from windrow.tasks.storage.store.refused_samples import read_forgotten
from windrow.tasks.storage.store.run_records import JOURNAL, RUN
from windrow.tasks.storage.verify.findings import UNFINISHED, Inspection


def inspect_absences(inspection: Inspection, store: Path) -> None:
    """Report runs, versions and take-downs that are named somewhere and are not there."""
    _inspect_runs(inspection, store)
    _inspect_versions(inspection, store)
    _inspect_takedowns(inspection, store)


def _inspect_runs(inspection: Inspection, store: Path) -> None:
    entered = set()
    for path in _visible(store / JOURNAL):
        values = inspection.sealed(path)
        entered.add(path.stem)
        if values is not None and values.get("run_id") != path.stem:
            inspection.report(path, f"is not of run {path.stem}")
        elif not (store / "runs" / path.stem).is_dir():
            inspection.report(store / "runs" / path.stem, f"is missing, though the run is in {JOURNAL}/")
    for folder in _visible(store / "runs"):
        # A process that was killed between the two has left a run that never ended, without an entry.
        if folder.name not in entered and _ended(inspection, folder / RUN):
            inspection.report(store / JOURNAL / f"{folder.name}.json", "is missing, though there is such a run")


def _ended(inspection: Inspection, record: Path) -> bool:
    if not record.is_file() or not inspection.is_sound(record):
        return False
    return bool(read_sealed(record)["status"] != "running")


def _inspect_versions(inspection: Inspection, store: Path) -> None:
    last = {folder: max(_numbers(folder), default=0) for folder in _visible(store / "curated") if folder.is_dir()}
    for record in sorted((store / "runs").glob("*/stages/export.json")):
        version = read_sealed(record).get("version") if inspection.is_sound(record) else None
        if version is not None:
            folder = (store / version).parent
            last[folder] = max(last.get(folder, 0), version_number((store / version).name))
    for folder, number in last.items():
        for missing in sorted({*range(1, number + 1)} - {*_numbers(folder)}):
            inspection.report(folder / f"v{missing:04d}", "is missing, though it was published")


def _numbers(folder: Path) -> Iterator[int]:
    return (version_number(path.name) for path in _visible(folder) if is_version_name(path.name))


def _inspect_takedowns(inspection: Inspection, store: Path) -> None:
    if not inspection.is_sound(store / "forgotten"):
        return
    with inspection.reading(store / "forgotten"):
        carried_out = {path.stem for path in _visible(store / "takedowns")}
        wanted = {*read_forgotten(store)["takedown"].to_pylist()}
        for name in sorted(carried_out - wanted):
            inspection.report(store / "forgotten", f"does not have the samples of take-down {name}")
        for path in (store / "curated").glob(f"*/*/{WITHDRAWN}"):
            with inspection.reading(path):
                wanted.add(json.loads(path.read_text())["takedown"])
        for name in sorted(wanted - carried_out):
            why = "the take-down was cut short (`windrow forget` finishes it), or its record was lost"
            inspection.report(store / "takedowns" / f"{name}.json", f"is missing: {why}")


def _visible(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if not path.name.startswith(UNFINISHED)]
