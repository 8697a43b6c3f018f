"""Ingest: what a shard holds, and which of it can be used. Nothing is copied: see `windrow.tasks.storage.sources`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas import OCCURRENCES, QUALITY, SAMPLES
from windrow.tasks.decoding import UnreadableImage, inspect_image
from windrow.tasks.storage.outputs import Done, OutputWriter, make_output
from windrow.tasks.storage.source_shard import Found, IngestConfig, SourceShard, sample_id_of
from windrow.tasks.storage.sources import iterate_shard

__all__ = ["IngestConfig", "ingest_shard", "ingest_shards"]

STAGE = "ingest"
VERSION = 2
ROWS_AT_ONCE = 8192

_Inspected = dict[str, dict[str, Any] | str]


def ingest_shard(store: Path, shard: SourceShard, config: IngestConfig) -> Done:
    """Read a shard, decode every distinct sample once, write OCCURRENCES (by position), SAMPLES and QUALITY
    (by sample_id).

    The counts are n_occurrences, n_unreadable and n_samples. A shard is found again while its `identity` is the same;
    when only that has changed, it is read anew and the output has the same bytes.

    Raises ValueError when a Parquet file has no image column, and OSError when the disk or the network fails.
    """

    def write(writer: OutputWriter) -> None:
        inspected: _Inspected = {}
        found = iterate_shard(shard, config)
        occurrences = _occurrence_table(_occurrence(shard, one, inspected, config) for one in found)
        samples = [inspected[key] for key in sorted(inspected) if not isinstance(inspected[key], str)]
        writer.write(OCCURRENCES, occurrences)
        writer.write(SAMPLES, SAMPLES.build(_columns(SAMPLES.columns, samples)))
        writer.write(QUALITY, QUALITY.build(_columns(QUALITY.columns, samples)))
        writer.counts["n_occurrences"] = occurrences.num_rows
        writer.counts["n_unreadable"] = occurrences.num_rows - occurrences["unreadable"].null_count
        writer.counts["n_samples"] = len(samples)

    names = ("source_uri", "kind", "shard", "identity")
    return make_output(
        store, STAGE, VERSION, {name: getattr(shard, name) for name in names} | {"config": config}, write
    )


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
