"""Statements of every kind that DuckDB has, and the ways to wrap them, for tests of what SQL may do to a store."""

from collections.abc import Iterator
from pathlib import Path

DOING = {
    "copy": "COPY (SELECT 1 AS a) TO '{shard}'",
    "copy in place": "COPY (SELECT 1 AS a) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)",
    "copy a table": "COPY samples TO '{new}'",
    "copy from": "COPY runs FROM '{shard}'",
    "export": "EXPORT DATABASE '{new}'",
    "import": "IMPORT DATABASE '{new}'",
    "attach": "ATTACH '{new}' AS other",
    "attach shard": "ATTACH '{shard}' AS other",
    "detach": "DETACH memory",
    "copy database": "COPY FROM DATABASE memory TO memory",
    "insert": "INSERT INTO runs SELECT * FROM runs",
    "insert returning": "INSERT INTO runs SELECT * FROM runs RETURNING run_id",
    "update": "UPDATE runs SET run_id = 'x' RETURNING run_id",
    "delete": "DELETE FROM runs RETURNING run_id",
    "truncate": "TRUNCATE runs",
    "merge": "MERGE INTO runs USING runs r ON runs.run_id = r.run_id WHEN MATCHED THEN DELETE",
    "create table": "CREATE TABLE t AS SELECT 1 AS a",
    "create view": "CREATE OR REPLACE VIEW pool AS SELECT 1 AS a",
    "create macro": "CREATE MACRO m() AS 1",
    "create type": "CREATE TYPE mood AS ENUM ('a')",
    "create sequence": "CREATE SEQUENCE s",
    "create index": "CREATE INDEX i ON runs (run_id)",
    "create schema": "CREATE SCHEMA s",
    "create secret": "CREATE SECRET (TYPE s3)",
    "alter": "ALTER TABLE runs ADD COLUMN a INTEGER",
    "comment": "COMMENT ON TABLE runs IS 'x'",
    "drop": "DROP VIEW pool",
    "set": "SET threads = 1",
    "set variable": "SET VARIABLE a = 1",
    "set allowed": "SET enable_external_access = true",
    "reset": "RESET lock_configuration",
    "pragma": "PRAGMA enable_profiling",
    "pragma version": "PRAGMA version",
    "use": "USE memory",
    "call": "CALL pragma_version()",
    "call logging": "CALL enable_logging(storage = 'file', storage_path = '{new}')",
    "checkpoint": "CHECKPOINT",
    "vacuum": "VACUUM",
    "analyze": "ANALYZE",
    "begin": "BEGIN",
    "load": "LOAD httpfs",
    "install": "INSTALL httpfs",
    "prepare": "PREPARE p AS COPY (SELECT 1) TO '{new}'",
    "execute": "EXECUTE p",
    "deallocate": "DEALLOCATE p",
}
"""Each does something, or would if it were let; `{shard}` is a published file and `{new}` a new one in the store."""

READING = {
    "csv": "SELECT * FROM read_csv('{secret}')",
    "text": "SELECT * FROM read_text('{secret}')",
    "blob": "SELECT * FROM read_blob('{secret}')",
    "json": "SELECT * FROM read_json('{secret}')",
    "sniff": "SELECT * FROM sniff_csv('{secret}')",
    "replacement": "SELECT * FROM '{secret}'",
    "glob": "SELECT * FROM glob('{folder}/*')",
    "parquet": "SELECT * FROM read_parquet('{folder}/*.parquet')",
    "metadata": "SELECT * FROM parquet_metadata('{folder}/*.parquet')",
    "network": "SELECT * FROM 'https://127.0.0.1:9/a.parquet'",
    "s3": "SELECT * FROM read_parquet('s3://bucket/a.parquet')",
    "environment": "SELECT getenv('HOME')",
    "settings": "SELECT * FROM duckdb_settings()",
    "setting": "SELECT current_setting('temp_directory')",
    "secrets": "SELECT * FROM duckdb_secrets()",
    "query": "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "query table": "SELECT * FROM query_table(['{secret}'])",
    "serialized": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "python": "SELECT * FROM python_variable",
    "log": "SELECT write_log('x')",
    "sleep": "SELECT pg_sleep(60)",
    "view of settings": "SELECT * FROM pg_catalog.pg_settings",
    "view of logs": 'SELECT * FROM "DuckDB_logs"',
    "logging": "SELECT * FROM enable_logging(storage = 'file', storage_path = '{new}')",
    "checkpoint": "SELECT * FROM force_checkpoint()",
    "grammar": "SELECT * FROM add_grammar_extension('x', 'y')",
}
"""Each is a SELECT, and looks at what is not in the store's tables, or waits, or does something."""

ALLOWED = (
    "SELECT count(*) FROM pool",
    "FROM curated LIMIT 1",
    "(SELECT 1)",
    "VALUES (1)",
    "TABLE runs",
    "WITH a AS (SELECT 1 AS b) SELECT b FROM a UNION SELECT 2",
    "WITH RECURSIVE a AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM a WHERE i < 5) SELECT * FROM a",
    "SELECT unnest([1, 2]) FROM range(3)",
    "SELECT * FROM (DESCRIBE pool)",
    "DESCRIBE pool",
    "DESCRIBE SELECT 1",
    "SUMMARIZE samples",
    "SHOW TABLES",
    "EXPLAIN SELECT * FROM pool",
    "explain analyze select count(*) from pool",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT 1",
    "/* why */ EXPLAIN -- how\n ANALYZE (SELECT 1)",
    "SELECT 'COPY x TO y' AS \"INSERT_QUERY_NODE\" -- COPY (SELECT 1) TO 'x'",
    "SELECT rank() OVER (ORDER BY sample_id), struct_pack(type := 'COPY_QUERY_NODE') FROM samples",
    "SELECT key, source_uri FROM curated ORDER BY 1",
    "PIVOT labels ON label_set IN ('pseudo', 'given') USING count(*)",
    "UNPIVOT (SELECT sample_id, width, height FROM samples) ON width, height",
    "SELECT label, part, count(*) FROM pool GROUP BY GROUPING SETS ((label), (part), ())",
    "SELECT l.sample_id, u.c FROM labels l, UNNEST(l.classes) AS u(c)",
    "SELECT list_transform(classes, lambda name: upper(name)) FROM labels",
    "SELECT [upper(name) FOR name IN classes IF name <> 'a'] FROM labels",
    "SELECT e.key, e.value FROM runs, json_each(runs.config) e",
    "SELECT sum(width) OVER w FROM samples WINDOW w AS (ORDER BY sample_id) QUALIFY width > 1",
    "SELECT * FROM samples s, LATERAL (SELECT count(*) FROM labels l WHERE l.sample_id = s.sample_id)",
    "FROM histogram('samples', width)",
    "SELECT * FROM (SUMMARIZE samples) USING SAMPLE 3",
    "SELECT table_name FROM information_schema.tables",
    "SELECT /* one /* two */ */ 1 -- three",
)


def wrapped(sql: str) -> Iterator[str]:
    """Yield a statement as it is, and in what might hide it."""
    yield sql
    yield f"EXPLAIN {sql}"
    yield f"EXPLAIN ANALYZE {sql}"
    yield f"explain/**/analyze\n{sql}"
    yield f"EXPLAIN (ANALYZE, FORMAT json) {sql}"
    yield f"EXPLAIN ANALYZE VERBOSE {sql}"
    for end in ("--", "/*"):  # comments nest, and those of a line end at a carriage return
        yield f"EXPLAIN /* /* */ ANALYZE SELECT 1 {end} */ ANALYZE {sql}"
        yield f"EXPLAIN ANALYZE /* /* */ SELECT 1 {end} */ {sql}"
        yield f"/* /* */ EXPLAIN SELECT 1 {end} */ EXPLAIN ANALYZE {sql}"
    yield f"EXPLAIN --\r ANALYZE {sql} /*\n SELECT 1 -- */"
    yield f"EXPLAIN ANALYZE --\r {sql} /*\n SELECT 1 -- */"
    yield f"--\r EXPLAIN ANALYZE {sql} /*\n EXPLAIN SELECT 1 -- */"
    yield f"/* SELECT 1 */ -- SELECT 1\n{sql};"
    yield f"SELECT 1; {sql}"
    yield f"{sql}; SELECT 1"
    yield f"WITH a AS ({sql}) SELECT * FROM a"
    yield f"WITH a AS MATERIALIZED ({sql}) FROM a"
    yield f"EXPLAIN ANALYZE WITH a AS ({sql}) FROM a"
    yield f"WITH b AS (WITH a AS ({sql}) FROM a) FROM b"
    yield f"SELECT * FROM (WITH a AS ({sql}) FROM a)"
    yield f"SELECT (WITH a AS ({sql}) SELECT count(*) FROM a)"
    yield f"SELECT 1 UNION ALL (WITH a AS ({sql}) SELECT 1 FROM a)"
    yield f"WITH RECURSIVE a AS ({sql}) SELECT * FROM a"
    yield f"SELECT * FROM ({sql})"
    yield f"SELECT ({sql})"
    yield f"SELECT EXISTS ({sql})"
    yield f"DESCRIBE {sql}"
    yield f"SUMMARIZE {sql}"
    yield f"PREPARE p AS {sql}"
    yield f"CREATE TABLE t AS {sql}"
    yield f"CREATE MACRO m() AS TABLE ({sql})"
    yield f"COPY ({sql}) TO '/dev/null'"
    yield "SELECT * FROM query('" + sql.replace("'", "''") + "')"


def filled(sql: str, store: Path, secret: Path) -> str:
    """Return a statement about the files of a store, and about a secret beside it."""
    shard = next(store.glob("curated/*/v0001/parquet/*.parquet"), None) or next(
        store.glob("outputs/rank/*/*/*.parquet")
    )
    return sql.format(shard=shard, new=store / "new.file", secret=secret, folder=secret.parent)
