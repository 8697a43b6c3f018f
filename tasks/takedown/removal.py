"""A take-down: samples leave a store, and `takedowns/<takedown>.json` says which, why, and who had them.

The list of forgotten samples is written first, then the manifest with everything that is to go, and then it goes. Each
step can be done twice, so a take-down that was killed is finished by doing it again: by the next `windrow forget`, and
by the next run before it reads anything.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.stages import Part, Stage
from windrow.tasks.corrections.correction_list import forget_corrections
from windrow.tasks.storage.files.seals import read_sealed
from windrow.tasks.storage.files.store_lock import alone
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.published.withdrawal import withdraw_version
from windrow.tasks.storage.store.holders import holds, places, runs_with, versions_with
from windrow.tasks.storage.store.outputs import Output, all_outputs, fingerprint, open_output
from windrow.tasks.storage.store.refused_samples import add_forgotten, read_forgotten
from windrow.tasks.storage.store.registry import drop_ids, sample_indices
from windrow.tasks.storage.store.removed_outputs import remove_output, restore_output
from windrow.tasks.storage.store.run_records import open_run
from windrow.tasks.takedown.rest_of_runs import keep_rests
from windrow.tasks.takedown.shard_without import is_as_declared, rewrite_shard

NOT_TOUCHED = (
    "the source files at `occurrences`, which are yours to delete",
    "embeddings of other samples by a dictionary of the backbone 'patches' that was fitted on these too, in runs that "
    "had none of these; the dictionary itself goes (see `remove`), and the next run fits one without them",
    "copies of the versions below, made elsewhere",
)
_LEFT = (".tmp-*", ".work-*", ".old-*")


def forget(
    store: Path, chosen: Sequence[Mapping[str, Any]], reason: str | None, now: datetime | None = None
) -> dict[str, Any]:
    """Forget samples for ever; returns the manifest of the take-down.

    `chosen` has sample_id, because_of and similarity of each (`windrow.tasks.takedown.forget_targets`). `now` is the
    time of the wish, with its zone. Raises ValueError when a run is at work in the store.
    """
    now = now or datetime.now(UTC)
    ids = sorted(row["sample_id"] for row in chosen)
    takedown = f"{now:%Y%m%d-%H%M%S%f}-{fingerprint(ids)[:8]}"
    with alone(store):
        indices = sample_indices(store, ids)
        same = {"reason": reason, "takedown": takedown, "requested_at": now}
        add_forgotten(store, [{**row, "sample_index": indices.get(row["sample_id"]), **same} for row in chosen])
        return _carry_out(store, takedown)


def unfinished(store: Path) -> list[str]:
    """Return the take-downs that were cut short, oldest first."""
    return [name for name in pc.unique(read_forgotten(store)["takedown"]).to_pylist() if not _is_finished(store, name)]


def finish_takedowns(store: Path) -> list[str]:
    """Finish the take-downs that were cut short, and return them. Raises ValueError when a run is at work."""
    if not unfinished(store):
        return []
    with alone(store):
        names = unfinished(store)
        for name in names:
            _carry_out(store, name)
    return names


def manifest_path(store: Path, takedown: str) -> Path:
    """Return where the manifest of a take-down lies."""
    return store / "takedowns" / f"{takedown}.json"


def survey(store: Path, sample_ids: Collection[str]) -> dict[str, Any]:
    """Return what holds samples: `occurrences`, `versions`, `runs`, outputs to `remove` and shards to `rewrite`."""
    wanted = pa.array(list(sample_ids), pa.string())
    holders = [output for output in all_outputs(store) if holds(output, wanted)]
    shards = [output for output in holders if output.stage == Stage.INGEST]
    rewrite = [_relative(store, output) for output in shards if is_as_declared(output)]
    gone = _with_their_heirs(store, {_relative(store, output) for output in holders} - set(rewrite))
    return {
        "occurrences": places(shards, sample_ids),
        "versions": versions_with(store, sample_ids),
        "runs": [run.run_id for run in runs_with(store, gone)],
        "remove": gone,
        "rewrite": rewrite,
    }


def _with_their_heirs(store: Path, gone: set[str]) -> list[str]:
    """Add graphs, clusterings and what judges samples by labels that went on from one of these, as they may have kept
    of it what it learnt."""
    went_on = {
        _relative(store, output): output.inputs.get("earlier")
        for stage in (Stage.NEIGHBORS, Stage.CLUSTER, Part.PREDICTIONS, Part.BELONGING, Part.LABEL_CHECKS)
        for output in all_outputs(store, stage)
    }
    while heirs := {path for path, earlier in went_on.items() if earlier in gone} - gone:
        gone |= heirs
    return sorted(gone)


def _relative(store: Path, output: Output) -> str:
    return str(output.path.relative_to(store))


def _is_finished(store: Path, takedown: str) -> bool:
    path = manifest_path(store, takedown)
    return path.exists() and read_sealed(path)["finished_at"] is not None


def _carry_out(store: Path, takedown: str) -> dict[str, Any]:
    manifest = _manifest(store, takedown)
    ids = [row["sample_id"] for row in manifest["samples"]]
    indices = {row["sample_id"]: row["sample_index"] for row in manifest["samples"]}
    keep_rests(store, manifest["runs"], manifest["remove"], indices, takedown)
    for run_id in manifest["runs"]:
        open_run(store, run_id).withdraw(f"withdrawn by take-down {takedown}: `windrow run` makes a new one")
    for version in manifest["versions"]:
        why = {"withdrawn_at": manifest["requested_at"], "takedown": takedown, "reason": manifest["reason"]}
        withdraw_version(store / version["path"], {**why, **version})
    for path in manifest["rewrite"]:
        restore_output(store / path)
        if (store / path).exists():
            rewrite_shard(store, open_output(store / path), dict.fromkeys(ids, takedown))
    for path in manifest["remove"]:
        remove_output(store / path)
    drop_ids(store, ids)
    forget_corrections(store, ids)
    _sweep(store)
    return _written(store, {**manifest, "finished_at": _now()})


def _manifest(store: Path, takedown: str) -> dict[str, Any]:
    """Return the manifest, written before anything goes: afterwards nobody can tell any more who had what."""
    path = manifest_path(store, takedown)
    if path.exists():
        return read_sealed(path)
    rows = [row for row in read_forgotten(store).to_pylist() if row["takedown"] == takedown]
    samples = [{name: row[name] for name in ("sample_id", "sample_index", "because_of", "similarity")} for row in rows]
    manifest = {
        "takedown": takedown,
        "requested_at": rows[0]["requested_at"].isoformat(),
        "finished_at": None,
        "reason": rows[0]["reason"],
        "asked_for": sorted({row["because_of"] for row in rows}),
        "samples": samples,
        **survey(store, [row["sample_id"] for row in rows]),
        "not_touched": NOT_TOUCHED,
    }
    return _written(store, manifest)


def _written(store: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    path = manifest_path(store, manifest["takedown"])
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def _sweep(store: Path) -> None:
    """Remove what killed processes left, be it of these samples or not; nobody else is at work."""
    for folder in ("outputs", "curated", "registry", "forgotten", "corrections", "runs", "takedowns"):
        for left in [path for pattern in _LEFT for path in (store / folder).rglob(pattern)]:
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat()
