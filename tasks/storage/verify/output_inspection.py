"""Are the outputs of stages and the records of runs as they were written?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from windrow.schemas.stages import OPTIONAL, Part, Stage
from windrow.tasks.storage.files.seals import broken_seal, read_sealed
from windrow.tasks.storage.files.signs_of_life import ALIVE
from windrow.tasks.storage.store.outputs import MANIFEST, fingerprint
from windrow.tasks.storage.store.run_records import JOURNAL, RUN, Run, open_run
from windrow.tasks.storage.store.run_rest import REST
from windrow.tasks.storage.verify.findings import UNFINISHED, Inspection

COUNTED: Mapping[str, Mapping[str, str]] = {
    Stage.INGEST: {"occurrences": "n_occurrences", "samples": "n_samples"},
    Stage.HASH_GROUPS: {"hash_groups": "n_in_hash_groups"},
    Stage.FEATURES: {"embeddings": "n_samples"},
    Part.SNIPPETS: {"snippets": "n_samples"},
    Stage.NEIGHBORS: {"neighbors": "n_samples", "scores": "n_samples"},
    Stage.CLUSTER: {"assignments": "n_samples"},
    Part.GIVEN_LABELS: {"labels": "n_given"},
    Part.HELD_OUT: {"held_out": "n_held_out"},
    Part.HELD_OUT_STATES: {"held_out": "n_held_out", "held_out_states": "n_held_out_states"},
    Part.PREDICTIONS: {"predictions": "n_predictions"},
    Part.BELONGING: {"belonging": "n_judged", "belonging_reach": "n_judged"},
    Stage.PSEUDO_LABEL: {"label_sets": "n_label_sets"},
    Part.GIVEN_STATES: {name: f"n_{name}" for name in ("label_states", "looked_for", "vocabularies")},
    Part.LABEL_STATES: {name: f"n_{name}" for name in ("label_states", "looked_for", "vocabularies", "state_classes")},
    Part.LABEL_CHECKS: {"label_quality": "n_checked", "label_checks": "n_label_checks"},
    Part.LEAKS: {"leaks": "n_leaks"},
    Part.REFERENCE_WEIGHTS: {"reference_weights": "n_weighed"},
    Stage.RANK: {"selection": "n_samples"},
    Part.CLASS_SHARES: {"class_shares": "n_class_shares"},
    Stage.WORTH: {"worth": "n_comparisons", "worth_sets": "n_sets", "worth_curve": "n_curve_points"},
    Stage.ACCOUNT: {"outcomes": "n_occurrences"},
    Part.RANKING: {"ranking": "n_samples"},
    Stage.POOL: {"pool": "n_samples"},
    Part.EXPORT_PLAN: {"export_plan": "n_samples"},
    Part.EXPORT_SHARD: {"exported_samples": "n_samples", "gone": "n_gone", "channels": "n_measured"},
}
"""For each stage, the count of its outputs that says how many rows each of their tables has."""
LATER = frozenset({"belonging_reach"})
"""Tables that outputs of an earlier version of their stage, which stores still have, are without."""


def inspect_outputs(inspection: Inspection, store: Path) -> None:
    """Look at every finished output: its manifest, its files, and the number of rows of its tables."""
    for folder in inspection.folders(store / "outputs", depth=3):
        manifest = inspection.sealed(folder / MANIFEST)
        if manifest is None:
            continue  # what it says of the other files is not to be believed
        with inspection.reading(folder / MANIFEST):
            _inspect_name(inspection, folder, manifest)
            inspection.files(folder, manifest["files"], [MANIFEST])
            _inspect_counts(inspection, folder, manifest)


def _inspect_name(inspection: Inspection, folder: Path, manifest: Mapping[str, Any]) -> None:
    expected = {
        "stage": folder.parent.parent.name,
        "fingerprint": folder.name,
        "the fingerprint of its inputs": folder.name,
    }
    found = {**manifest, "the fingerprint of its inputs": fingerprint(manifest["inputs"])}
    for what, value in expected.items():
        if found[what] != value:
            inspection.report(folder / MANIFEST, f"{what} is {found[what]}, but its folder says {value}")
    if folder.parent.name != folder.name[:2]:
        inspection.report(folder / MANIFEST, f"lies in the folder {folder.parent.name}, not {folder.name[:2]}")


def _inspect_counts(inspection: Inspection, folder: Path, manifest: Mapping[str, Any]) -> None:
    for table, count in COUNTED.get(manifest["stage"], {}).items():
        path = folder / f"{table}.parquet"
        if not inspection.is_sound(path) or (table in LATER and path.name not in manifest["files"]):
            continue
        with inspection.reading(path):
            n_rows = pq.read_metadata(path).num_rows
            if n_rows != manifest["counts"][count]:
                wanted = manifest["counts"][count]
                inspection.report(path, f"has {n_rows:,} rows, but the stage counted {wanted:,} ({count})")


def inspect_runs(inspection: Inspection, store: Path) -> list[Run]:
    """Look at the records of every run; return the finished runs without damage, oldest first."""
    sound = []
    for folder in inspection.folders(store / "runs"):
        if is_stillborn(folder):
            continue
        values = inspection.sealed(folder / RUN)
        with inspection.reading(folder / RUN):
            if values is not None and values["run_id"] != folder.name:
                inspection.report(folder / RUN, f"is the record of run {values['run_id']}")
        if values and values["status"] == "withdrawn":  # by a take-down, which removed what its stages name
            _inspect_rest(inspection, folder / REST)
            continue
        finished = bool(values and values["status"] == "finished")
        measured = {Stage.WORTH} if values and _measures_worth(values["config"]) else set()
        _inspect_stages(inspection, store, folder, finished, OPTIONAL - measured)
        if values and values["status"] == "finished" and inspection.is_sound(folder):
            sound.append(open_run(store, folder.name))
    return sound


def _measures_worth(config: Mapping[str, Any]) -> bool:
    """Whether a run of this config says what its set is worth: of samples of several classes earlier ones did not."""
    return "worth" in config and config["labels"].get("kind", "single") == "single"


def _inspect_rest(inspection: Inspection, folder: Path) -> None:
    """Look at what a take-down left of a run."""
    for path in sorted(folder.glob("[a-z]*.parquet")):
        with inspection.reading(path):
            reason = broken_seal(path)
            inspection.saw(path)
            if reason is not None:
                inspection.report(path, reason)


def is_stillborn(folder: Path) -> bool:
    """Say whether a process was killed before it had written the record of its run: nothing else names that."""
    journal = folder.parent.parent / JOURNAL / f"{folder.name}.json"
    names = {path.name for path in folder.iterdir() if not path.name.startswith(UNFINISHED)}
    return names <= {ALIVE} and not journal.exists()


def _inspect_stages(
    inspection: Inspection, store: Path, folder: Path, finished: bool, optional: frozenset[Stage]
) -> None:
    required, allowed = (
        {folder / "stages" / f"{stage}.json" for stage in stages} for stages in (set(Stage) - optional, optional)
    )
    expected = {folder / RUN, folder / ALIVE, *required, *allowed}
    found = {path for path in folder.rglob("*") if not path.is_dir() and not path.name.startswith(UNFINISHED)}
    for path in sorted(required - found) if finished else ():
        inspection.report(path, "is missing, though the run is finished")
    for path in sorted(found - expected):
        if path.suffix != ".html":  # the report: `windrow report` draws it again, and nothing reads it
            inspection.report(path, "does not belong here")
    for path in sorted(found & (required | allowed)):
        record = inspection.sealed(path)
        if record is not None:
            with inspection.reading(path):
                _inspect_record(inspection, store, path, record)


def _inspect_record(inspection: Inspection, store: Path, path: Path, record: Mapping[str, Any]) -> None:
    if record["stage"] != path.stem:
        inspection.report(path, f"is the record of stage {record['stage']}")
    missing = [name for name in record["outputs"] if not (store / name / MANIFEST).is_file()]
    for name in missing:
        inspection.report(path, f"names the output {name}, which is not there")
    if missing or not inspection.is_sound(*(store / name / MANIFEST for name in record["outputs"])):
        return
    manifests = [read_sealed(store / name / MANIFEST) for name in record["outputs"]]
    for count, value in record["counts"].items():
        total = sum(manifest["counts"].get(count, 0) for manifest in manifests)
        if total != value:
            inspection.report(path, f"{count} is {value:,}, but that of its outputs adds up to {total:,}")
