"""Ingest: what a shard holds, and which of it can be used. Nothing is copied: see `windrow.tasks.storage.sources`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.decoding import inspect_image
from windrow.tasks.executors.state import worker_state
from windrow.tasks.sandbox import Limits, Sandbox
from windrow.tasks.storage.outputs import Done, OutputWriter, make_output
from windrow.tasks.storage.source_shard import Found, IngestConfig, SourceShard, sample_id_of
from windrow.tasks.storage.sources import iterate_shard

__all__ = ["IngestConfig", "ingest_shard", "ingest_shards"]

STAGE = "ingest"
VERSION = 1
ROWS_AT_ONCE = 8192

_Inspected = dict[str, dict[str, Any] | str]


def ingest_shard(store: Path, shard: SourceShard, config: IngestConfig) -> Done:
    """Read a shard, decode every distinct sample once, and write OCCURRENCES (by position) and SAMPLES (by sample_id).

    The counts are n_occurrences, n_unreadable and n_samples. A shard is found again while its `identity` is the same;
    when only that has changed, it is read anew and the output has the same bytes.

    Raises ValueError when a Parquet file has no image column, and OSError when the disk or the network fails.
    """

    def write(writer: OutputWriter) -> None:
        inspected: _Inspected = {}
        found = _inspect_all(iterate_shard(shard, config), inspected, config)
        occurrences = _occurrence_table(_occurrence(shard, one, sample_id, inspected) for one, sample_id in found)
        samples = [inspected[key] for key in sorted(inspected) if not isinstance(inspected[key], str)]
        writer.write(OCCURRENCES, occurrences)
        writer.write(SAMPLES, SAMPLES.build(_columns(SAMPLES.columns, samples)))
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


def _occurrence(shard: SourceShard, found: Found, sample_id: str | None, inspected: _Inspected) -> dict[str, Any]:
    unreadable = found.error
    if sample_id is not None:
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


def _inspect_all(
    found: Iterable[Found], inspected: _Inspected, config: IngestConfig
) -> Iterator[tuple[Found, str | None]]:
    """Yield what was found, without its bytes, with its sample_id; by then `inspected` has what its sample is."""
    sandbox = worker_state(_open_sandbox, config)
    for (one, sample_id, n_bytes), verdict in sandbox.map(_distinct(found)):
        if sample_id is not None and verdict is not None:
            facts = verdict if isinstance(verdict, str) else {"sample_id": sample_id, **verdict, "n_bytes": n_bytes}
            inspected[sample_id] = facts
        yield one, sample_id


def _open_sandbox(config: IngestConfig) -> Sandbox:
    limits = Limits(config.max_seconds, config.decoding_bytes)
    return Sandbox(inspect_image, config.max_pixels, limits=limits)


def _distinct(found: Iterable[Found]) -> Iterator[tuple[tuple[Found, str | None, int], bytes | None]]:
    """Give the bytes of a sample with its first occurrence only."""
    seen: set[str] = set()
    for one in found:
        if one.data is None:
            yield (one, None, 0), None
            continue
        sample_id = sample_id_of(one.data)
        data = None if sample_id in seen else one.data
        seen.add(sample_id)
        yield (replace(one, data=None), sample_id, len(one.data)), data


def _occurrence_table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    """Rows become columns some thousands at a time: as Python objects they take ten times the memory."""
    parts = [OCCURRENCES.schema().empty_table()]
    while some := list(islice(rows, ROWS_AT_ONCE)):
        parts.append(OCCURRENCES.build(_columns(OCCURRENCES.columns, some)))
    return pa.concat_tables(parts).combine_chunks()


def _columns(columns: Iterable[Any], rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {column.name: [row[column.name] for row in rows] for column in columns}
