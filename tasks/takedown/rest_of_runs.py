"""What a take-down leaves of the last run of each curated set, so that the store can be asked until the next run.

The tables with a row for each sample stay, without the rows of forgotten samples, and without their ids where others
name them; `outcomes` keeps a row for each place, which says that it was forgotten. Left out are embeddings, nearest
neighbours and centroids, in which a forgotten picture may still show, and tables about the pool as a whole, which would
be of another pool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import CORRECTIONS, FORGOTTEN, NEIGHBORS, OUTCOMES, REGISTRY, TABLES, Table
from windrow.schemas.embeddings import MAP_PLACES
from windrow.schemas.stages import Stage
from windrow.tasks.report.pool_map import found_map
from windrow.tasks.storage.catalog.views import run_tables
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.seals import EMPTY_SEAL, seal_file
from windrow.tasks.storage.files.whole_or_absent import publish_directory, temporary_directory
from windrow.tasks.storage.store.registry import FORGOTTEN_ID
from windrow.tasks.storage.store.run_records import Run, latest_run, open_run
from windrow.tasks.storage.store.run_rest import rest_files, rest_folder, runs_with_rest

OF_THE_STORE = (REGISTRY, FORGOTTEN, CORRECTIONS)

Indices = Mapping[str, int | None]


def keep_rests(store: Path, run_ids: Iterable[str], gone: Collection[str], indices: Indices, takedown: str) -> None:
    """Write the rest of those runs that are the last finished one of their set, before they lose outputs `gone`.

    `indices`: of the forgotten samples. Rests that there are lose these samples too. It may be done again.
    """
    for run in (open_run(store, run_id) for run_id in run_ids):
        last = latest_run(store, run.name)
        ingested = run.stage(Stage.INGEST)
        if last is None or last.run_id != run.run_id or rest_folder(run).exists() or ingested is None:
            continue
        if not set(ingested.outputs) & set(gone):
            _write_rest(run, set(ingested.outputs), indices, takedown)
    for run in list(runs_with_rest(store)):
        for path in rest_files(run):
            _take_out(path, indices, takedown)


def _write_rest(run: Run, in_place: Collection[str], indices: Indices, takedown: str) -> None:
    """The tables of ingest stay where they are: a take-down writes them anew."""
    files = run_tables(run)
    ingested = {run.store / path for path in in_place}
    with temporary_directory(run.path) as folder:
        for declared in TABLES:
            paths = [path for path in files.get(declared.name, ()) if path.parent not in ingested]
            if paths and _has_samples(declared):
                rest = _without(declared, read_table(declared, paths), indices, takedown)
                _write(rest, folder / f"{declared.name}.parquet")
        features = [path for record in run.stages() if record.stage == Stage.FEATURES for path in record.outputs]
        drawn = found_map(run.store, features, int(run.config.get("seed", 0)))
        if drawn is not None:  # where the others lie says nothing of the forgotten
            rest = _without(MAP_PLACES, read_table(MAP_PLACES, [drawn]), indices, takedown)
            _write(rest, folder / f"{MAP_PLACES.name}.parquet")
        publish_directory(folder, rest_folder(run))


def _has_samples(declared: Table) -> bool:
    names = [column.name for column in declared.columns]
    vectors = any(column.vector for column in declared.columns)
    return "sample_id" in names and not vectors and declared not in (NEIGHBORS, *OF_THE_STORE)


def _take_out(path: Path, indices: Indices, takedown: str) -> None:
    declared = next(table for table in (*TABLES, MAP_PLACES) if table.name == path.stem)
    before = read_table(declared, [path])
    after = _without(declared, before, indices, takedown)
    if not after.equals(before):
        new = path.with_name(f".tmp-{path.name}")
        _write(after, new)
        new.replace(path)


def _write(table: pa.Table, path: Path) -> None:
    metadata = {**(table.schema.metadata or {}), **EMPTY_SEAL}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd", write_page_checksum=True)
    seal_file(path)


def _without(declared: Table, table: pa.Table, indices: Indices, takedown: str) -> pa.Table:
    wanted = pa.array(list(indices), pa.string())
    if declared is OUTCOMES:
        return _forgotten_outcomes(table, wanted, takedown)
    table = table.filter(pc.invert(pc.is_in(table["sample_id"], wanted)))
    for column in declared.columns:
        if pa.types.is_string(column.type) and column.name != "sample_id":
            table = _renamed(table, column.name, column.nullable, indices)
    return table


def _forgotten_outcomes(table: pa.Table, wanted: pa.Array, takedown: str) -> pa.Table:
    gone = pc.fill_null(pc.is_in(table["sample_id"], wanted), False)
    stood = pc.fill_null(pc.is_in(table["duplicate_of"], wanted), False)
    said: dict[str, tuple[Any, str | None]] = {
        "sample_id": (gone, None),
        "outcome": (gone, "forgotten"),
        "reason": (gone, f"take-down {takedown}"),
        "duplicate_of": (pc.or_(gone, stood), None),
    }
    for name, (where, value) in said.items():
        table = _with(table, name, pc.if_else(where, pa.scalar(value, pa.string()), table[name]))
    return table


def _renamed(table: pa.Table, name: str, nullable: bool, indices: Indices) -> pa.Table:
    """A column in which the ids of forgotten samples, as the names of groups are, are null, or hold their index."""
    wanted = pa.array(list(indices), pa.string())
    held = pc.is_in(table[name], wanted)
    if not pc.any(held).as_py():
        return table
    if nullable:
        return _with(table, name, pc.if_else(held, pa.scalar(None, pa.string()), table[name]))
    names = pa.array([f"{FORGOTTEN_ID}{index or 0:012d}" for index in indices.values()], pa.string())
    return _with(table, name, pc.coalesce(pc.take(names, pc.index_in(table[name], wanted)), table[name]))


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)
