"""Ingest: what a shard holds, and which of it can be used.

Bytes stay where they are (see `windrow.tasks.storage.sources.source_kinds`), unless the config or the source asks for a
copy: COPY, a tar beside the tables of the output.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import CLASS_NAMES, OCCURRENCES, QUALITY, SAMPLES, SOURCE_COLUMNS
from windrow.schemas.forgotten import FORGOTTEN_BY
from windrow.schemas.stages import Stage
from windrow.tasks.fetching.fetch_config import PACE
from windrow.tasks.fetching.hosts import begin_run
from windrow.tasks.fetching.reasons import LEFT, may_pass
from windrow.tasks.ingest.attribution import attribution
from windrow.tasks.ingest.inspection import Inspected, Watcher, inspect_all
from windrow.tasks.ingest.kept_labels import class_name_rows, kept_label, kept_text
from windrow.tasks.ingest.stale_shards import N_CHANGES, is_stale
from windrow.tasks.ingest.tar_folders import with_folder_labels
from windrow.tasks.pictures.decoding import FORMATS
from windrow.tasks.storage.published.webdataset_shards import image_extension
from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.folder_source import read_beside
from windrow.tasks.storage.sources.packing import Packing, blank
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_shard import Already, Found, IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output
from windrow.tasks.storage.store.refused_samples import refused_samples, without_samples
from windrow.tasks.tally import count

__all__ = ["IngestConfig", "ingest_shard", "ingest_shards"]

STAGE = Stage.INGEST
VERSION = 6
COPY = "copy.tar"
ROWS_AT_ONCE = 8192


def ingest_shard(store: Path, shard: SourceShard, config: IngestConfig, watcher: Watcher | None = None) -> Done:
    """Read a shard, decode every distinct sample once, write OCCURRENCES (by position), SAMPLES and QUALITY
    (by sample_id), and CLASS_NAMES where the shard names the numbers of its labels.

    The counts are n_occurrences, n_unreadable, n_samples, n_class_names where there are any and, with a copy,
    n_bytes_copied. A shard is found again while its `identity` is the same; when only that has changed, it is read anew
    and the output has the same bytes (but for where its copy is).

    What the store was told to forget is neither decoded nor described. It is no part of the fingerprint: forgetting
    removes the sample from every output that holds it, so what is found is what would be made.

    A shard that was found changed since (`stale_shards`) is ingested anew.

    A shard of a list with samples that failed for now (their number is in the count n_to_retry) is not found for ever:
    each of the next runs makes it anew, up to `fetch.runs` in all, and fetches what is missing. A run that left some of
    them to the next, because a budget was used up (the count n_left), is none of these.

    `watcher` is shown the samples of a shard that was never ingested as it is; the output does not depend on it.

    Raises OSError when the disk or the network fails.
    """
    n_changes = 0
    done = _ingest(store, shard, config, watcher=watcher)
    while done.found and is_stale(store, done.path):
        n_changes += 1
        done = _ingest(store, shard, config, n_changes=n_changes)
    n_before = n_tries = 1
    while done.found and done.counts.get("n_to_retry") and n_tries < config.fetch.runs:
        n_tries += not done.counts.get("n_left")
        done = _ingest(store, shard, config, n_before, open_output(store / done.path), n_changes)
        n_before += 1
    return done


def _ingest(
    store: Path,
    shard: SourceShard,
    config: IngestConfig,
    n_before: int = 0,
    before: Output | None = None,
    n_changes: int = 0,
    watcher: Watcher | None = None,
) -> Done:
    def write(writer: OutputWriter) -> None:
        samples: dict[str, dict[str, Any]] = {}
        columns: dict[str, None] = {}
        named: dict[int, str] = {}
        refused = refused_samples(store)
        already = known_before(before, store) if before else None
        occurrences = _read_shard(shard, config, refused, writer, samples, columns, named, already, watcher)
        occurrences = with_folder_labels(occurrences, shard, config)
        copy = writer.path / COPY
        if pc.any(pc.is_in(occurrences["sample_id"], pa.array(list(refused), pa.string()))).as_py():
            left, ranges = without_samples(occurrences.to_pylist(), refused)
            occurrences = occurrence_table(iter(left))
            if copy.exists():
                blank(copy, ranges)
        if copy.exists():
            occurrences = _with_copy(occurrences, str((writer.final / COPY).relative_to(store)))
            writer.counts["n_bytes_copied"] = copy.stat().st_size
        rows = [samples[sample_id] for sample_id in sorted(samples)]
        measured = [row for row in rows if row["blur"] is not None]
        tables = (SAMPLES.build(_columns(SAMPLES.columns, rows)), QUALITY.build(_columns(QUALITY.columns, measured)))
        write_shard(writer, occurrences, *tables)
        if columns:
            write_columns(writer, _source_columns(shard, list(columns)))
        if named:
            class_names = CLASS_NAMES.build(class_name_rows(shard, named))
            writer.write(CLASS_NAMES, class_names)
            writer.counts["n_class_names"] = class_names.num_rows
        if SOURCES[shard.kind].fetches:
            reasons = occurrences["unreadable"].to_pylist()
            writer.counts["n_to_retry"] = sum(map(may_pass, reasons))
            if n_left := sum(reason in LEFT for reason in reasons):
                writer.counts["n_left"] = n_left

    again = {name: n for name, n in (("n_runs_before", n_before), (N_CHANGES, n_changes)) if n}
    return make_output(store, STAGE, VERSION, _inputs(shard, config) | again, write)


def _inputs(shard: SourceShard, config: IngestConfig) -> dict[str, Any]:
    """Return what the output depends on: how lists are fetched is nothing to other sources, nor the pace to lists."""
    settings = asdict(config)
    del settings["follow_links"], settings["least_share_of_last"]  # what is planned says what the first let in
    if settings.pop("vocabulary"):  # which classes it has is for the labels to know
        settings["keeps_empty_labels"] = True
    for name in PACE:
        del settings["fetch"][name]
    if not SOURCES[shard.kind].fetches:
        del settings["fetch"], settings["url_column"]
    names = ("source_uri", "kind", "shard", "identity")
    return {name: getattr(shard, name) for name in names} | {"config": settings, "formats": FORMATS}


def known_before(before: Output, store: Path) -> Callable[[int], bytes | str | None]:
    """Return what an earlier run found out about the rows of a list, for `iterate_shard`: what may pass is unknown."""
    table = before.read(OCCURRENCES)
    rows = {row["position"]: row for row in table.select(["position", "sample_id", "unreadable"]).to_pylist()}
    kept = read_samples(table.filter(pc.is_valid(table["sample_id"])), store)

    def known(position: int) -> bytes | str | None:
        row = rows[position]
        if row["sample_id"] is None:
            return None if may_pass(row["unreadable"]) else str(row["unreadable"])
        data = next(kept)[1]
        return data if isinstance(data, bytes) else None

    return known


def write_shard(writer: OutputWriter, occurrences: pa.Table, samples: pa.Table, quality: pa.Table) -> None:
    """Write the tables of a shard and their counts."""
    writer.write(OCCURRENCES, occurrences)
    writer.write(SAMPLES, samples)
    writer.write(QUALITY, quality)
    n_forgotten = pc.sum(pc.starts_with(occurrences["unreadable"], FORGOTTEN_BY)).as_py() or 0
    writer.counts["n_occurrences"] = occurrences.num_rows
    writer.counts["n_unreadable"] = occurrences.num_rows - occurrences["unreadable"].null_count - n_forgotten
    writer.counts["n_samples"] = samples.num_rows
    if n_forgotten:
        writer.counts["n_forgotten"] = n_forgotten


def write_columns(writer: OutputWriter, columns: pa.Table) -> None:
    """Write SOURCE_COLUMNS of a shard and their count."""
    writer.write(SOURCE_COLUMNS, columns)
    writer.counts["n_source_columns"] = columns.num_rows


def ingest_shards(
    store: Path, shards: Sequence[SourceShard], config: IngestConfig, until: float = math.inf
) -> list[Done]:
    """Ingest a group of shards, one after the other, each by the settings of its source if it has some of its own.

    What is fetched, is until a time (of `time.time`) at most.
    """
    begin_run(until)
    return [ingest_shard(store, shard, shard.config or config) for shard in shards]


def occurrence_id_of(source_uri: str, shard: str, position: int) -> str:
    """Return the occurrence_id: the first 32 hex digits of SHA-256 of the three, with zero bytes between them."""
    return hashlib.sha256(f"{source_uri}\0{shard}\0{position}".encode()).hexdigest()[:32]


def _read_shard(
    shard: SourceShard,
    config: IngestConfig,
    refused: Mapping[str, str],
    writer: OutputWriter,
    samples: dict[str, dict[str, Any]],
    columns: dict[str, None],
    named: dict[int, str],
    already: Already | None,
    watcher: Watcher | None,
) -> pa.Table:
    """Return OCCURRENCES, refused ones among them; `samples` gets the rows of SAMPLES by `sample_id`.

    `columns` gets the columns of the tables that the occurrences are in, `named` the classes that numbers of labels
    stand for.
    """
    found = _noting(iterate_shard(shard, config, writer.path / COPY, already), columns)
    with ExitStack() as opened:
        packing = None
        if SOURCES[shard.kind].keeps(shard, config):
            packing = opened.enter_context(Packing(opened.enter_context(writer.appending(COPY))))
        looked_at = inspect_all(found, config, refused, packing is not None, watcher)
        rows = (_occurrence(shard, one, samples, packing, config) for one in count(_naming(looked_at, named)))
        table = occurrence_table(rows)
    if packing is not None and not packing.n_samples:
        (writer.path / COPY).unlink()
    return table


def _noting(found: Iterable[Found], columns: dict[str, None]) -> Iterator[Found]:
    last: tuple[str, ...] = ()
    for one in found:
        if one.columns is not last:
            last = one.columns
            columns.update(dict.fromkeys(last))
        yield one


def _source_columns(shard: SourceShard, columns: Sequence[str]) -> pa.Table:
    n = len(columns)
    names = {"source_uri": [shard.source_uri] * n, "shard": [shard.shard] * n, "column": list(columns)}
    return SOURCE_COLUMNS.build(names)


def _naming(looked_at: Iterable[Inspected], named: dict[int, str]) -> Iterator[Inspected]:
    names = None
    for one in looked_at:
        if one.found.class_names is not None and one.found.class_names is not names:
            names = one.found.class_names
            named.update(enumerate(names))
        yield one


def _occurrence(
    shard: SourceShard,
    one: Inspected,
    samples: dict[str, dict[str, Any]],
    packing: Packing | None,
    config: IngestConfig,
) -> dict[str, Any]:
    found, offset, members = one.found, one.found.byte_offset, one.found.members
    label, metadata = kept_label(found)
    if one.facts is not None and one.sample_id is not None:
        samples[one.sample_id] = one.facts
        if packing is not None and found.data is not None and SOURCES[shard.kind].keeps(shard, config, found.key):
            beside = read_beside(shard, found, config.max_bytes)
            offset, members = packing.add(one.sample_id, image_extension(one.facts["format"]), found.data, beside)
    return {
        "occurrence_id": occurrence_id_of(shard.source_uri, shard.shard, found.position),
        "sample_id": one.sample_id,
        "source_uri": shard.source_uri,
        "kind": shard.kind,
        "shard": shard.shard,
        "position": found.position,
        "key": kept_text(found.key),
        "extension": found.extension and kept_text(found.extension),
        "byte_offset": offset,
        "byte_length": found.byte_length,
        "copy": None,
        "members": [vars(member) for member in members] or None,
        "found_label": label,
        "label_from": found.label_from,
        "caption": found.caption,
        "group": found.group,
        "license": found.license,
        **attribution(found, shard.kind),
        "metadata": metadata,
        "unreadable": one.reason,
    }


def _with_copy(occurrences: pa.Table, path: str) -> pa.Table:
    """What has an offset has it in the copy."""
    copied = pc.if_else(pc.is_valid(occurrences["byte_offset"]), pa.scalar(path), pa.scalar(None, pa.string()))
    return occurrences.set_column(occurrences.schema.get_field_index("copy"), occurrences.schema.field("copy"), copied)


def occurrence_table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    """Return OCCURRENCES. Rows become columns some thousands at a time: as objects they take ten times the memory."""
    parts = [OCCURRENCES.schema().empty_table()]
    while some := list(islice(rows, ROWS_AT_ONCE)):
        parts.append(OCCURRENCES.build(_columns(OCCURRENCES.columns, some)))
    return pa.concat_tables(parts)


def _columns(columns: Iterable[Any], rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {column.name: [row[column.name] for row in rows] for column in columns}
