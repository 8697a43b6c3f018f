"""Rows of the tables that are made from manifests: runs, their stages, their shards, and published versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from windrow.schemas.stages import Stage
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.run_records import Run, list_runs


def run_rows(store: Path) -> list[dict[str, Any]]:
    """Return the rows of RUNS, oldest first."""
    return [
        {
            "run_id": run.run_id,
            "number": run.number,
            "name": run.name,
            "status": run.status,
            "started_at": datetime.fromisoformat(run.started_at),
            "finished_at": datetime.fromisoformat(run.finished_at) if run.finished_at else None,
            "code_version": run.code_version,
            "config": json.dumps(run.config, sort_keys=True),
            "error": run.error,
            "warning": run.warning,
        }
        for run in list_runs(store)
    ]


def stage_rows(store: Path) -> list[dict[str, Any]]:
    """Return the rows of STAGES, in the order of runs and stages."""
    return [
        {
            "run_id": run.run_id,
            "stage": record.stage,
            "seconds": record.seconds,
            "n_outputs": len(record.outputs),
            "n_found": record.n_found,
            "n_samples": record.n_samples,
        }
        for run in list_runs(store)
        for record in run.stages()
    ]


def shard_rows(run: Run) -> list[dict[str, Any]]:
    """Return the rows of SHARDS: the shards that a run read, or found read."""
    return [
        {
            "source_uri": output.inputs["source_uri"],
            "shard": output.inputs["shard"],
            "n_occurrences": output.counts["n_occurrences"],
            "n_unreadable": output.counts["n_unreadable"],
            "ingested_at": datetime.fromtimestamp(output.finished_at, UTC),
            "seconds": output.seconds,
        }
        for output in run.outputs(Stage.INGEST)
    ]


def export_rows(store: Path) -> list[dict[str, Any]]:
    """Return the rows of EXPORTS, by name and version."""
    return [
        {
            "name": version.name,
            "version": version.version,
            "fingerprint": version.fingerprint,
            "n_samples": version.n_samples,
            "n_shards": version.n_shards,
            "n_bytes": version.n_bytes,
            "path": str(version.path.relative_to(store)),
        }
        for version in list_versions(store)
    ]
