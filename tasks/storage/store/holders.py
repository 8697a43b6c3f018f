"""Where samples are in a store: its outputs, its versions, its runs."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import OCCURRENCES
from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.storage.files.parquet import naming, read_table
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.published.versions import SAMPLES, Version, list_versions, read_manifest
from windrow.tasks.storage.store.outputs import MANIFEST, Output
from windrow.tasks.storage.store.run_records import Run, list_runs

ID_COLUMNS = ("sample_id", "duplicate_of", "other_sample_id", "group_id", "leak_of")
PLACE = ("sample_id", "source_uri", "shard", "position", "key")


def holds(output: Output, sample_ids: pa.Array) -> bool:
    """Say whether a table of an output names any of these samples."""
    return any(_names_any(output.path / name, sample_ids) for name in output.files if name.endswith(".parquet"))


def _names_any(path: Path, sample_ids: pa.Array) -> bool:
    with naming(path), pq.ParquetFile(path) as file:
        columns = [name for name in ID_COLUMNS if name in file.schema_arrow.names]
        batches = file.iter_batches(columns=columns) if columns else ()
        return any(pc.any(pc.is_in(batch[name], sample_ids)).as_py() for batch in batches for name in columns)


def places(ingested: Iterable[Output], sample_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return where samples were seen, by source, shard and position: PLACE of each occurrence."""
    wanted = pa.array(list(sample_ids), pa.string())
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for output in ingested:
        table = output.read(OCCURRENCES, list(PLACE))
        for row in table.filter(pc.is_in(table["sample_id"], wanted)).to_pylist():
            # A shard that has changed was ingested twice: a place counts once for each sample that was there.
            found[(row["source_uri"], row["shard"], row["position"], row["sample_id"])] = row
    return [found[place] for place in sorted(found)]


def runs_with(store: Path, outputs: Collection[str]) -> list[Run]:
    """Return the runs that one of these outputs (paths relative to the store) is part of, oldest first."""
    wanted = set(outputs)
    return [run for run in list_runs(store) if any(wanted & set(record.outputs) for record in run.stages())]


def versions_with(store: Path, sample_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the versions that hold samples, by name and number: which ones, and in which files."""
    found = []
    for version in list_versions(store):
        table = read_table(EXPORTED_SAMPLES, [version.path / SAMPLES], ["sample_id"])
        held = sorted(set(table["sample_id"].to_pylist()) & set(sample_ids))
        if held:
            found.append(_described(store, version, held))
    return found


def _described(store: Path, version: Version, held: list[str]) -> dict[str, Any]:
    files = read_manifest(version.path)["files"]
    shards = _shards_with(version.path, [file for file in files if "n_samples" in file], held)
    return {
        "name": version.name,
        "version": version.version,
        "path": str(version.path.relative_to(store)),
        "n_samples": version.n_samples,
        "fingerprint": version.fingerprint,
        "manifest_sha256": file_digest(version.path / MANIFEST),
        "sample_ids": held,
        "shards": [{"path": file["path"], "sha256": file["sha256"]} for file in shards],
    }


def _shards_with(folder: Path, files: list[dict[str, Any]], held: list[str]) -> list[dict[str, Any]]:
    """The shards that hold samples, and the soft labels of these shards, which do not say whose they are."""
    named = [file for file in files if not file["path"].endswith(".npy")]
    found = [file for file in named if _shard_has(folder / file["path"], held)]
    numbers = {_number(file) for file in found}
    return [file for file in files if file in found or (file not in named and _number(file) in numbers)]


def _number(file: dict[str, Any]) -> tuple[str, int]:
    """The split of a shard's file and its number there, which each format and the soft labels count alike."""
    rest = Path(file["path"]).name.removeprefix(f"{file['split']}-")
    return file["split"], int(re.match(r"\d+", rest)[0])  # type: ignore[index]


def _shard_has(path: Path, sample_ids: list[str]) -> bool:
    if path.suffix == ".parquet":
        return _names_any(path, pa.array(sample_ids))
    with tarfile.open(path) as tar:
        return not set(sample_ids).isdisjoint(name.partition(".")[0] for name in tar.getnames())
