"""Ingest: what a shard holds, and which of it can be used. Nothing is copied: see `windrow.tasks.storage.sources`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.decoding import UnreadableImage, inspect_image
from windrow.tasks.fetching.config import PACE
from windrow.tasks.fetching.reasons import may_pass
from windrow.tasks.storage.outputs import Done, Output, OutputWriter, make_output, open_output
from windrow.tasks.storage.source_shard import Found, IngestConfig, SourceShard, sample_id_of
from windrow.tasks.storage.sources import iterate_shard, read_samples

__all__ = ["IngestConfig", "ingest_shard", "ingest_shards"]

STAGE = "ingest"
VERSION = 1
ROWS_AT_ONCE = 8192

_Inspected = dict[str, dict[str, Any] | str]


def ingest_shard(store: Path, shard: SourceShard, config: IngestConfig) -> Done:
    """Read a shard, decode every distinct sample once, and write OCCURRENCES (by position) and SAMPLES (by sample_id).

    The counts are n_occurrences, n_unreadable and n_samples. A shard is found again while its `identity` is the same;
    when only that has changed, it is read anew and the output has the same bytes.

    A shard of a list with samples that failed for now (their number is in the count n_to_retry) is not found for ever:
    each of the next runs makes it anew, up to `fetch.runs` in all, and fetches what is missing.

    Raises ValueError when a Parquet file has no image column, and OSError when the disk or the network fails.
    """
    done = _ingest(store, shard, config, 0, None)
    for n_before in range(1, config.fetch.runs):
        if not done.found or not done.counts.get("n_to_retry"):
            break
        done = _ingest(store, shard, config, n_before, open_output(store / done.path))
    return done


def _ingest(store: Path, shard: SourceShard, config: IngestConfig, n_before: int, before: Output | None) -> Done:
    def write(writer: OutputWriter) -> None:
        inspected: _Inspected = {}
        found = iterate_shard(shard, config, known_before(before) if before else None)
        occurrences = _occurrence_table(_occurrence(shard, one, inspected, config) for one in found)
        samples = [inspected[key] for key in sorted(inspected) if not isinstance(inspected[key], str)]
        writer.write(OCCURRENCES, occurrences)
        writer.write(SAMPLES, SAMPLES.build(_columns(SAMPLES.columns, samples)))
        writer.counts["n_occurrences"] = occurrences.num_rows
        writer.counts["n_unreadable"] = occurrences.num_rows - occurrences["unreadable"].null_count
        writer.counts["n_samples"] = len(samples)
        if shard.kind == "url":
            writer.counts["n_to_retry"] = sum(map(may_pass, occurrences["unreadable"].to_pylist()))

    return make_output(store, STAGE, VERSION, _inputs(shard, config, n_before), write)


def _inputs(shard: SourceShard, config: IngestConfig, n_before: int) -> dict[str, Any]:
    """Return what the output depends on: how lists are fetched is nothing to other sources, nor the pace to lists."""
    settings = asdict(config)
    for name in PACE:
        del settings["fetch"][name]
    if shard.kind != "url":
        del settings["fetch"], settings["url_column"]
    names = ("source_uri", "kind", "shard", "identity")
    inputs = {name: getattr(shard, name) for name in names} | {"config": settings}
    return inputs | {"n_runs_before": n_before} if n_before else inputs


def known_before(before: Output) -> Callable[[int], bytes | str | None]:
    """Return what an earlier run found out about the rows of a list, for `iterate_shard`: what may pass is unknown."""
    table = before.read(OCCURRENCES)
    rows = {row["position"]: row for row in table.select(["position", "sample_id", "unreadable"]).to_pylist()}
    kept = read_samples(table.filter(pc.is_valid(table["sample_id"])))

    def known(position: int) -> bytes | str | None:
        row = rows[position]
        if row["sample_id"] is None:
            return None if may_pass(row["unreadable"]) else str(row["unreadable"])
        data = next(kept)[1]
        return data if isinstance(data, bytes) else None

    return known


def ingest_shards(store: Path, shards: Sequence[SourceShard], config: IngestConfig) -> list[Done]:
    """Ingest a group of shards, one after the other."""
    return [ingest_shard(store, shard, config) for shard in shards]


def occurrence_id_of(source_uri: str, shard: str, position: int) -> str:
    """Return the occurrence_id: the first 32 hex digits of SHA-256 of the three, with zero bytes between them."""
    return hashlib.sha256(f"{source_uri}\0{shard}\0{position}".encode()).hexdigest()[:32]


def _occurrence(shard: SourceShard, found: Found, inspected: _Inspected, config: IngestConfig) -> dict[str, Any]:
    sample_id, unreadable = None, found.error
    if found.data is not None:
        sample_id = sample_id_of(found.data)
        if sample_id not in inspected:
            inspected[sample_id] = _inspect(sample_id, found.data, config)
        verdict = inspected[sample_id]
        unreadable = verdict if isinstance(verdict, str) else None
    return {
        "occurrence_id": occurrence_id_of(shard.source_uri, shard.shard, found.position),
        "sample_id": sample_id,
        "source_uri": shard.source_uri,
        "kind": shard.kind,
        "shard": shard.shard,
        "position": found.position,
        "key": found.key,
        "extension": found.extension,
        "byte_offset": found.byte_offset,
        "byte_length": found.byte_length,
        "found_label": found.label,
        "caption": found.caption,
        "group": found.group,
        "metadata": found.metadata,
        "unreadable": unreadable,
    }


def _inspect(sample_id: str, data: bytes, config: IngestConfig) -> dict[str, Any] | str:
    try:
        facts = inspect_image(data, config.max_pixels)
    except UnreadableImage as error:
        return error.reason
    return {"sample_id": sample_id, **vars(facts), "n_bytes": len(data)}


def _occurrence_table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    """Rows become columns some thousands at a time: as Python objects they take ten times the memory."""
    parts = [OCCURRENCES.schema().empty_table()]
    while some := list(islice(rows, ROWS_AT_ONCE)):
        parts.append(OCCURRENCES.build(_columns(OCCURRENCES.columns, some)))
    return pa.concat_tables(parts).combine_chunks()


def _columns(columns: Iterable[Any], rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {column.name: [row[column.name] for row in rows] for column in columns}
