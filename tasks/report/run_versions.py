"""Which version of a curated set a run published, or found to hold the same."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path

from windrow.schemas import CLASS_BALANCE, CLASS_SHARES, DRIFT, POOL
from windrow.schemas.stages import Stage
from windrow.tasks.storage.published.versions import Version, open_version, versions_backwards
from windrow.tasks.storage.store.run_records import Run, runs_backwards

TOLD = (CLASS_BALANCE, CLASS_SHARES, DRIFT, POOL)


def version_of(run: Run) -> Version | None:
    """The version that a run published or found the same; None where there is none, or none any more."""
    export = run.stage(Stage.EXPORT)
    if export is None or export.version is None:
        return None
    with suppress(ValueError):
        return open_version(run.store / export.version)
    return None


def versions_to(run: Run, most: int) -> list[Version]:
    """Return the last `most` versions of a run's curated set up to its own, oldest first; none where it has none."""
    own = version_of(run)
    if own is None:
        return []
    until = (each for each in versions_backwards(run.store, run.name) if each.number <= own.number)
    return [*islice(until, most)][::-1]


def publishers(run: Run, versions: list[Version]) -> dict[str, Run]:
    """Return by which run each of these versions was published, where that is still there and finished."""
    paths = {str(version.path.relative_to(run.store)): version.version for version in versions}
    found: dict[str, Run] = {}
    for each in runs_backwards(run.store):  # the first to name a version published it, the others found it the same
        export = each.stage(Stage.EXPORT) if each.name == run.name and each.status == "finished" else None
        if export is None or export.version is None:
            continue
        if export.version in paths:
            found[paths[export.version]] = each
        elif len(found) == len(paths):
            break
    return found


def run_before(run: Run) -> Run | None:
    """The last finished run of the same curated set before a run."""
    earlier = (each for each in runs_backwards(run.store) if each.number < run.number)
    return next((each for each in earlier if each.status == "finished" and each.name == run.name), None)


def tables_before(run: Run) -> dict[str, list[Path]]:
    """Return the files of what an earlier run knew of its balance, drift and pool, by table.

    Its outputs are not opened, which would mark them as used: a report is no reason to keep them.
    """
    stages = (run.stage(stage) for stage in (Stage.CLUSTER, Stage.RANK, Stage.POOL))
    folders = [run.store / path for stage in stages if stage for path in stage.outputs]
    files = {table.name: [folder / f"{table.name}.parquet" for folder in folders] for table in TOLD}
    there = {name: [file for file in found if file.is_file()] for name, found in files.items()}
    return {name: found for name, found in there.items() if found}
