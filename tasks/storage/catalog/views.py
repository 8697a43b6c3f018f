"""The catalog: a DuckDB connection with a view over every table of a run.

`pool` has one row for each readable sample with all that is known of it: a table once a run is finished, the join of
the tables that there are before that; `curated` is its selected part. `states` lists the classes of samples that may be
of several. Views read the store's Parquet files, so opening
a catalog costs milliseconds and copies nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas import (
    CORRECTIONS,
    EXPORTS,
    FORGOTTEN,
    LABEL_STATES,
    POOL,
    REGISTRY,
    RUNS,
    SELECTION,
    SHARDS,
    STAGES,
    TABLES,
    Table,
)
from windrow.schemas.joined_pool import pool_sql
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.connections import SqlLimits, open_connection
from windrow.tasks.storage.catalog.judged_sql import Catalog
from windrow.tasks.storage.catalog.manifest_rows import export_rows, run_rows, shard_rows, stage_rows
from windrow.tasks.storage.catalog.state_views import STATES_SQL, WITH_STATES_SQL
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.parquet import naming
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.refused_samples import forgotten_files
from windrow.tasks.storage.store.registry import numbered_files, registry_files
from windrow.tasks.storage.store.run_records import Run, open_run
from windrow.tasks.storage.store.run_rest import can_be_asked, last_to_ask, rest_files
from windrow.tasks.storage.store.store_format import check_format

# A sample that lies in two shards is described, and embedded, once in each: the rows are equal, or one has failed.
ONE_ROW_PER_SAMPLE = frozenset({"samples", "quality", "embeddings", "snippets", "backbones", "model_scores"})

FROM_MANIFESTS = (RUNS, STAGES, EXPORTS, SHARDS)  # see `manifest_rows`

SQL_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float16(): "FLOAT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}

# A sample is seen as the occurrence that stands for it, or as each of them.
POOL_SQL = pool_sql()
JOINED_SQL = POOL_SQL.format(occurrences="standing")
# Which occurrence stands for a sample is for the filters to say, and is in `selection`; before that the first does.
FIRST_SQL = """
SELECT * FROM occurrences WHERE unreadable IS NULL
QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY source_uri, shard, position) = 1
"""
DECIDED_SQL = "SELECT o.* FROM occurrences o SEMI JOIN {decided} USING (occurrence_id)"


def open_catalog(store: str | Path, run_id: str | None = None) -> Catalog:
    """Open the last finished run of a store, or run `run_id`, for questions in SQL.

    Of one that a take-down withdrew, what is left of it: see `windrow forget`. Raises ValueError when the store has no
    such run, or when it was withdrawn and nothing is left to ask.

    >>> from windrow import open_catalog
    >>> catalog = open_catalog("data/store")
    >>> catalog.sql("SELECT count(*) > 0 AS there FROM pool WHERE selected AND confidence > 0.5").fetchall()
    [(True,)]
    """
    return Catalog(connect_run(Path(store), run_id))


def connect_run(
    store: Path,
    run_id: str | None = None,
    limits: SqlLimits | None = None,
    *,
    also: Iterable[Path] = (),
    anywhere: bool = False,
) -> Any:
    """Return a connection over the last finished run of a store, or over run `run_id`; see `connect`.

    Of a run that a take-down withdrew it is over what is left of it, see `run_rest`.
    """
    check_format(store)
    run = open_run(store, run_id) if run_id else last_to_ask(store)
    if run is None:
        raise ValueError(f"store {store} has no finished run: `windrow run` makes one")
    if run.status == "withdrawn" and not can_be_asked(run):
        raise ValueError(f"run {run.run_id}: {run.error}")
    connection = connect(run_tables(run), limits, also=also, anywhere=anywhere)
    _add_rows(connection, RUNS, run_rows(store))
    _add_rows(connection, STAGES, stage_rows(store))
    _add_rows(connection, EXPORTS, export_rows(store))
    _add_rows(connection, SHARDS, shard_rows(run))
    return connection


def connect(
    tables: Mapping[str, Iterable[Path]],
    limits: SqlLimits | None = None,
    *,
    also: Iterable[Path] = (),
    anywhere: bool = False,
    has_states: bool = False,
    only: Collection[Table] = (),
) -> Any:
    """Return a DuckDB connection with a view for every declared table, over the given Parquet files.

    It reads them and the files `also`, and no other, see `open_connection`; `limits` are for SQL of a user's.
    A column that they lack, as they were made before it was declared, is null. `has_states`: whether `pool` has the
    states of classes though no file has any. `only`: of these tables, and none that is put together from several, which
    takes a third of the time.
    """
    files = {name: list(paths) for name, paths in tables.items()}
    if only:
        files = {table.name: files.get(table.name, []) for table in only}
        return _opened(files, also, limits, anywhere, [_as_view(table, files[table.name]) for table in only])
    statements = []
    for declared in TABLES:
        if declared not in (*FROM_MANIFESTS, POOL):
            statements.append(_as_view(declared, files.get(declared.name, ())))
    decided = DECIDED_SQL.format(decided="selection") if files.get(SELECTION.name) else FIRST_SQL
    statements += [
        f"CREATE VIEW standing AS {decided}",
        STATES_SQL,
        *_pool_views(files, has_states or bool(files.get(LABEL_STATES.name))),
        "CREATE VIEW curated AS SELECT * FROM pool WHERE selected ORDER BY rank",
    ]
    return _opened(files, also, limits, anywhere, statements)


def _opened(
    files: Mapping[str, Iterable[Path]],
    also: Iterable[Path],
    limits: SqlLimits | None,
    anywhere: bool,
    statements: Sequence[str],
) -> Any:
    connection = open_connection(chain(also, *files.values()), limits=limits, anywhere=anywhere)
    connection.execute("BEGIN; " + "; ".join(statements) + "; COMMIT")
    return connection


def _pool_views(files: Mapping[str, Sequence[Path]], has_states: bool) -> list[str]:
    """The view `pool`; where samples may be of several classes it has their states too."""
    if files.get(POOL.name) and not has_states:
        return [_as_view(POOL, files[POOL.name])]
    pool = _rows(POOL, files[POOL.name]) if files.get(POOL.name) else JOINED_SQL
    return [f"CREATE VIEW pool AS {WITH_STATES_SQL.format(pool=pool) if has_states else pool}"]


def let_stand(connection: Any, occurrence_ids: pa.Array) -> None:
    """Let these occurrences stand for their samples, in `pool` and `standing`, on a connection without a ranking."""
    connection.register("_decided", pa.table({"occurrence_id": occurrence_ids}))
    connection.execute("CREATE OR REPLACE TABLE decided AS SELECT * FROM _decided")
    connection.execute(f"CREATE OR REPLACE VIEW standing AS {DECIDED_SQL.format(decided='decided')}")


def _as_view(declared: Table, files: Sequence[Path]) -> str:
    if not files:
        return _as_table(declared)
    rows, there = _rows(declared, files), _columns(files[0])
    if any(field.name not in there for field in declared.schema()):
        every = ", ".join(f'NULL::{_sql_type(field.type)} AS "{field.name}"' for field in declared.schema())
        rows = f"SELECT * FROM ({rows}) UNION ALL BY NAME (SELECT {every} WHERE false)"
    return f"CREATE VIEW {declared.name} AS {rows}"


def _columns(file: Path) -> set[str]:
    with naming(file):
        return set(pq.read_schema(file).names)


def _rows(declared: Table, files: Sequence[Path]) -> str:
    rows = f"FROM {parquet_scan(files)}"
    return _one_row_of_each(declared, rows) if declared.name in ONE_ROW_PER_SAMPLE and len(files) > 1 else rows


def _as_table(declared: Table) -> str:
    columns = ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in declared.schema())
    return f"CREATE TABLE {declared.name} ({columns})"


def _one_row_of_each(declared: Table, rows: str) -> str:
    keys = ", ".join(declared.primary_key)
    if "error" in declared.schema().names:  # what failed in one shard and not in another has not failed
        return f"{rows} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY error NULLS FIRST) = 1"
    return f"SELECT DISTINCT ON ({keys}) * {rows}" if declared.name != "backbones" else f"SELECT DISTINCT * {rows}"


def run_tables(run: Run) -> dict[str, list[Path]]:
    """Return the Parquet files of each table of a run; those of a version's shards are the version's own."""
    stages = [record.stage for record in run.stages() if record.stage != Stage.EXPORT]
    if run.status == "withdrawn":
        stages = [Stage.INGEST]
    outputs = {stage: run.outputs(stage) for stage in stages}
    of_store = {
        REGISTRY.name: registry_files(run.store),
        FORGOTTEN.name: forgotten_files(run.store),
        CORRECTIONS.name: numbered_files(run.store / CORRECTIONS.name),
    }
    rest = {path.stem: [path] for path in rest_files(run)} if run.status == "withdrawn" else {}
    return {**of_store, **tables_of(outputs), **rest}


def tables_of(outputs: Mapping[str, Iterable[Output]]) -> dict[str, list[Path]]:
    """Return the Parquet files of each table of the outputs of stages."""
    tables: dict[str, list[Path]] = {}
    for output in (output for found in outputs.values() for output in found):
        for name in output.files:
            if name.endswith(".parquet"):
                tables.setdefault(name.removesuffix(".parquet"), []).append(output.path / name)
    return tables


def _add_rows(connection: Any, declared: Table, rows: list[dict[str, Any]]) -> None:
    connection.execute(_as_table(declared))
    if rows:
        places = ", ".join("?" for _ in declared.columns)
        values = [[row.get(column.name) for column in declared.columns] for row in rows]
        connection.executemany(f"INSERT INTO {declared.name} VALUES ({places})", values)


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a type. A table in memory would say it too, but to make one PyArrow imports pandas."""
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return f"MAP({_sql_type(kind.key_type)}, {_sql_type(kind.item_type)})"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{field.name} {_sql_type(field.type)}' for field in kind)})"
    return SQL_TYPES[kind]
