"""The catalog: a DuckDB connection with a view over every table of a run, and over their joins.

`pool` has one row for each readable sample with all that is known of it; `curated` is its selected part. Views read the
store's Parquet files, so opening a catalog costs milliseconds and copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from windrow.schemas import EXPORTS, FORGOTTEN, REGISTRY, RUNS, SELECTION, SHARDS, STAGES, TABLES, Table
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.manifest_rows import export_rows, run_rows, shard_rows, stage_rows
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.refused_samples import forgotten_files
from windrow.tasks.storage.store.registry import registry_files
from windrow.tasks.storage.store.run_records import Run, latest_run, open_run

# A sample that lies in two shards is described, and embedded, once in each: the rows are equal, or one has failed.
ONE_ROW_PER_SAMPLE = frozenset({"samples", "quality", "embeddings", "backbones", "model_scores"})

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
POOL_SQL = """
SELECT s.*, s.width::BIGINT * s.height AS n_pixels, s.width::DOUBLE / s.height AS aspect_ratio,
       q.blur, q.brightness, q.contrast, q.entropy, q.phash, h.group_id AS hash_group, h.n_in_group AS n_in_hash_group,
       m.model_scores, r.sample_index, a.cluster_path, a.distance, c.nearest_similarity, c.outlier_score,
       c.off_topic_score,
       p.label, p.confidence, p.abstained, p.classes, p.probabilities, p.agreement, p.possible, b.belonging,
       g.label AS given_label,
       t.label_quality, t.is_doubtful, t.suggested_label, w.density_ratio, w.is_alike,
       o.occurrence_id, o.source_uri, o.shard, o.key, o.license, o.spdx, o.author, o.source_url,
       e.rank, e.part, coalesce(e.selected, false) AS selected, e.weight, e.dropped_by, e.duplicate_of, e.similarity,
       e.group_id, e.split
FROM samples s
LEFT JOIN quality q USING (sample_id)
LEFT JOIN hash_groups h USING (sample_id)
LEFT JOIN (
    SELECT sample_id, map_from_entries(list((score, value) ORDER BY score)) AS model_scores FROM model_scores GROUP BY 1
) m USING (sample_id)
LEFT JOIN registry r USING (sample_id)
LEFT JOIN assignments a USING (sample_id)
LEFT JOIN scores c USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'pseudo') p USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
LEFT JOIN belonging b USING (sample_id)
LEFT JOIN label_quality t USING (sample_id)
LEFT JOIN reference_weights w USING (sample_id)
LEFT JOIN {occurrences} o USING (sample_id)
LEFT JOIN selection e USING (sample_id)
"""
# Which occurrence stands for a sample is for the filters to say, and is in `selection`; before that the first does.
FIRST_SQL = """
SELECT * FROM occurrences WHERE unreadable IS NULL
QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY source_uri, shard, position) = 1
"""
DECIDED_SQL = "SELECT o.* FROM occurrences o SEMI JOIN {decided} USING (occurrence_id)"


def open_catalog(store: str | Path, run_id: str | None = None, *, external_access: bool = False) -> Any:
    """Return a DuckDB connection over the last finished run of a store, or over run `run_id`.

    SQL on it reads the store and nothing else: other files and the network are closed unless `external_access`. Raises
    ValueError when the store has no such run, or when it was withdrawn.

    >>> from windrow import open_catalog
    >>> catalog = open_catalog("data/store")
    >>> catalog.sql("SELECT count(*) > 0 AS there FROM pool WHERE selected AND confidence > 0.5").fetchall()
    [(True,)]
    """
    store = Path(store)
    run = open_run(store, run_id) if run_id else latest_run(store)
    if run is None:
        raise ValueError(f"store {store} has no finished run: `windrow run` makes one")
    if run.status == "withdrawn":
        raise ValueError(f"run {run.run_id}: {run.error}")
    connection = connect(run_tables(run))
    _add_rows(connection, RUNS, run_rows(store))
    _add_rows(connection, STAGES, stage_rows(store))
    _add_rows(connection, EXPORTS, export_rows(store))
    _add_rows(connection, SHARDS, shard_rows(run))
    if not external_access:
        confine(connection, store)
    return connection


def query(connection: Any, sql: str) -> Any:
    """Run one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) and return its relation.

    Raises ValueError for anything else: a store's tables change by running the pipeline, never by SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise ValueError(f"one SQL statement at a time; got {len(statements)}")
    if statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise ValueError(
            f"only SELECT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE are answered; got {sql.split()[0].upper()}"
        )
    return connection.sql(sql)


def connect(tables: Mapping[str, Iterable[Path]]) -> Any:
    """Return a DuckDB connection with a view for every declared table, over the given Parquet files."""
    statements = ["SET enable_progress_bar = false"]  # it would write into what a command prints
    for declared in TABLES:
        if declared not in (RUNS, STAGES, EXPORTS, SHARDS):  # these come from manifests: see `manifest_rows`
            statements.append(_as_view(declared, [str(path) for path in tables.get(declared.name, ())]))
    decided = DECIDED_SQL.format(decided="selection") if tables.get(SELECTION.name) else FIRST_SQL
    statements += [
        f"CREATE VIEW standing AS {decided}",
        f"CREATE VIEW pool AS {POOL_SQL.format(occurrences='standing')}",
    ]
    statements += ["CREATE VIEW curated AS SELECT * FROM pool WHERE selected ORDER BY rank"]
    connection = duckdb.connect()
    connection.execute("BEGIN; " + "; ".join(statements) + "; COMMIT")
    return connection


def let_stand(connection: Any, occurrence_ids: pa.Array) -> None:
    """Let these occurrences stand for their samples, in `pool` and `standing`, on a connection without a ranking."""
    connection.register("_decided", pa.table({"occurrence_id": occurrence_ids}))
    connection.execute("CREATE OR REPLACE TABLE decided AS SELECT * FROM _decided")
    connection.execute(f"CREATE OR REPLACE VIEW standing AS {DECIDED_SQL.format(decided='decided')}")


def _as_view(declared: Table, files: Sequence[str]) -> str:
    if not files:
        return _as_table(declared)
    listed = ", ".join(f"'{_quoted(file)}'" for file in files)
    rows = f"FROM read_parquet([{listed}])"
    if declared.name in ONE_ROW_PER_SAMPLE and len(files) > 1:
        rows = _one_row_of_each(declared, rows)
    return f"CREATE VIEW {declared.name} AS {rows}"


def _as_table(declared: Table) -> str:
    columns = ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in declared.schema())
    return f"CREATE TABLE {declared.name} ({columns})"


def _one_row_of_each(declared: Table, rows: str) -> str:
    keys = ", ".join(declared.primary_key)
    if "error" in declared.schema().names:  # what failed in one shard and not in another has not failed
        return f"{rows} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY error NULLS FIRST) = 1"
    return f"SELECT DISTINCT ON ({keys}) * {rows}" if declared.name != "backbones" else f"SELECT DISTINCT * {rows}"


def confine(connection: Any, store: Path) -> None:
    """Close every file but the store's, and the network, to SQL on this connection; this cannot be undone on it."""
    connection.execute(f"SET allowed_directories = ['{_quoted(str(store.resolve()))}', '{_quoted(str(store))}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def run_tables(run: Run) -> dict[str, list[Path]]:
    """Return the Parquet files of each table of a run; those of a version's shards are the version's own."""
    outputs = {record.stage: run.outputs(record.stage) for record in run.stages() if record.stage != Stage.EXPORT}
    of_store = {REGISTRY.name: registry_files(run.store), FORGOTTEN.name: forgotten_files(run.store)}
    return {**of_store, **tables_of(outputs)}


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
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{field.name} {_sql_type(field.type)}' for field in kind)})"
    return SQL_TYPES[kind]


def _quoted(text: str) -> str:
    return text.replace("'", "''")
