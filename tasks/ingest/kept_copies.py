"""Copies of what has left its source: with `ingest.mode: copy` a landing folder may be emptied, and the pool keeps it.

What the last run had copied and the sources do not show any more goes on as a shard of its own, whose rows point to
the copy that was made then. A file that was replaced is no such thing, nor is what a source taken out of the config
had, nor what was forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import OCCURRENCES, QUALITY, SAMPLES
from windrow.schemas.stages import Stage
from windrow.tasks.ingest.ingestion import VERSION, occurrence_id_of, occurrence_table, write_shard
from windrow.tasks.storage.sources.source_shard import SourceShard
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, fingerprint, make_output


def keep_copies(
    store: Path, sources: Sequence[str], planned: Sequence[SourceShard], last: Sequence[Output]
) -> list[Done]:
    """Return the shards that hold copies of what is gone from the sources since the last run ingested `last`."""
    there = {place for shard in planned for place in _places_of(shard)}
    kept = []
    for output in last:
        if output.inputs["source_uri"] in sources:
            done = _kept(store, output, there)
            kept += [done] if done else []
    return kept


def _kept(store: Path, output: Output, there: set[tuple[str, str, str]]) -> Done | None:
    rows = output.read(OCCURRENCES)
    copied = rows.filter(pc.is_valid(rows["copy"])).to_pylist()
    gone = [row for row in copied if _place_of(row) not in there]
    if not gone:
        return None
    if len(gone) == rows.num_rows:
        return Done(str(output.path.relative_to(store)), True, output.counts)
    left = list(map(_alone, gone)) if output.inputs["kind"] == "file" else gone
    ids = pa.array([row["sample_id"] for row in left], pa.string())

    def write(writer: OutputWriter) -> None:
        tables = [table.filter(pc.is_in(table["sample_id"], ids)) for table in map(output.read, (SAMPLES, QUALITY))]
        write_shard(writer, occurrence_table(iter(left)), tables[0], tables[1])

    names = {name: output.inputs[name] for name in ("source_uri", "kind", "config")}
    keys = fingerprint([(row["shard"], row["position"], row["sample_id"]) for row in left])
    inputs = {**names, "shard": left[0]["shard"], "identity": keys, "kept_of": output.digest}
    return make_output(store, Stage.INGEST, VERSION, inputs, write)


def _alone(row: dict[str, Any]) -> dict[str, Any]:
    """A loose file as a shard of its own: others may have its place in the shard that it was in."""
    place = (row["source_uri"], row["key"], 0)
    return {**row, "shard": row["key"], "position": 0, "occurrence_id": occurrence_id_of(*place)}


def _places_of(shard: SourceShard) -> Iterator[tuple[str, str, str]]:
    """What a planned shard says is there: loose files, or the tar, Parquet file, list or shard as a whole."""
    if shard.kind == "file":
        return ((shard.source_uri, "file", file.path) for file in shard.files)
    return iter([(shard.source_uri, shard.kind, _list_of(shard.kind, shard.shard))])


def _place_of(row: dict[str, Any]) -> tuple[str, str, str]:
    name = row["key"] if row["kind"] == "file" else _list_of(row["kind"], row["shard"])
    return row["source_uri"], row["kind"], name


def _list_of(kind: str, shard: str) -> str:
    return (shard.rpartition("#")[0] or shard) if kind == "url" else shard
