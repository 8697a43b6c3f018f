"""Which SQL is a question, and is answered: a statement is judged by all that it would do, not by its first word.

DuckDB's own parser says what a statement is made of (`json_serialize_sql`). What is known to only read is let through
and everything else is not: `WITH a AS (COPY ... TO ...)` and `EXPLAIN ANALYZE COPY ...` are told from questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Self

import duckdb

ANSWERED = "only SELECT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE are answered"
QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLE_FUNCTIONS = _names(
    "unnest range generate_series repeat repeat_row json_each json_tree histogram histogram_values summary "
    "duckdb_tables duckdb_views duckdb_columns duckdb_functions duckdb_types duckdb_keywords pragma_table_info "
    "pragma_show pragma_version icu_calendar_names pg_timezone_names"
)
READERS = _names(
    "read_csv read_csv_auto sniff_csv read_parquet parquet_scan parquet_metadata parquet_schema "
    "parquet_file_metadata parquet_kv_metadata read_json read_json_auto read_json_objects read_json_objects_auto "
    "read_ndjson read_ndjson_auto read_ndjson_objects read_text read_blob glob"
)
"""Let in beside them where a question may read other files."""

# They wait, and cannot be interrupted; write into DuckDB's log; or tell of the machine and change what comes after.
REFUSED_FUNCTIONS = _names(
    "pg_sleep sleep_ms write_log getenv nextval setval setseed current_setting json_execute_serialized_sql query "
    "query_table"
)
REFUSED_VIEWS = _names("pg_settings duckdb_logs")
"""DuckDB's own views over functions that are not let in."""

# Comments nest in DuckDB: what holds another is not skipped here, so that what follows it is judged as DuckDB sees it.
_BLANK = r"(?:\s|--[^\r\n]*|/\*(?:(?!/\*).)*?\*/)"
_EXPLAIN = re.compile(rf"{_BLANK}*EXPLAIN\b(?:{_BLANK}*(ANALYZE\b|\([\w\s,]+\)(?={_BLANK}*[\w(])))?", re.I | re.S)


def query(connection: Any, sql: str, *, anywhere: bool = False) -> Any:
    """Run one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) and return its relation.

    Raises ValueError for anything else: a store's tables change by running the pipeline, never by SQL. `anywhere`: its
    functions may read other files, as far as the connection does.
    """
    return connection.sql(question(connection, sql, anywhere=anywhere))


class Catalog:
    """A run's tables, and the views `pool` and `curated`, for questions in SQL: see `query`. Also a context manager."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def sql(self, sql: str, *, params: Any = None) -> Any:
        """Ask a question; returns DuckDB's relation. Raises ValueError for what is none."""
        return self._connection.sql(question(self._connection, sql), params=params)

    def execute(self, sql: str, params: Any = None) -> Any:
        """Ask a question at once; returns DuckDB's result. Raises ValueError for what is none."""
        return self._connection.execute(question(self._connection, sql), params)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def question(connection: Any, sql: str, *, anywhere: bool = False) -> str:
    """Return the SQL of a question as it is to be run. Raises ValueError when it is none, and says why."""
    kind = _kind(connection, sql)
    if kind == duckdb.StatementType.EXPLAIN:
        asked = _EXPLAIN.match(sql)
        explained = sql[asked.end() :] if asked else ""
        if asked is None or not _is_select(connection, explained):
            raise ValueError(f"{ANSWERED}, and EXPLAIN of a SELECT only; got {_first_words(sql)}")
        _judge(connection, explained, anywhere)
        return f"EXPLAIN {asked[1] or ''} {explained}"
    if kind != duckdb.StatementType.SELECT:
        raise ValueError(f"{ANSWERED}; got {_first_words(sql)}")
    _judge(connection, sql, anywhere)
    return sql


def _kind(connection: Any, sql: str) -> Any:
    """DuckDB's name of what the one statement in a text is, None of one that its Python does not know."""
    try:
        statements = connection.extract_statements(sql)
    except TypeError:  # halves of UTF-16 characters, which stand for bytes that are no text
        raise ValueError("the SQL is not UTF-8") from None
    if len(statements) != 1:
        raise ValueError(f"one SQL statement at a time; got {len(statements)}")
    try:
        return statements[0].type
    except ValueError:
        return None


def _is_select(connection: Any, sql: str) -> bool:
    try:
        return [each.type for each in connection.extract_statements(sql)] == [duckdb.StatementType.SELECT]
    except duckdb.Error:
        return False


def _first_words(sql: str) -> str:
    words = " ".join(re.sub(rf"{_BLANK}+", " ", sql, flags=re.S).split()[:2]).upper()
    asks_for_values = "; PIVOT wants its values: ON ... IN ('a', 'b')" if re.search(r"\bPIVOT\b", sql, re.I) else ""
    return f"{words}{asks_for_values}"


def _judge(connection: Any, sql: str, anywhere: bool) -> None:
    told = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0]
    try:
        parsed = json.loads(told)
    except RecursionError:
        raise ValueError("the SQL nests too deeply to be judged") from None
    if parsed["error"]:
        raise ValueError(f"{ANSWERED}: {parsed['error_message']}")
    for part in _parts(parsed["statements"]):
        kind = str(part.get("type", ""))
        if kind.endswith("_NODE") and kind not in QUERY_NODES:
            raise ValueError(f"{ANSWERED}; there is a {kind.removesuffix('_QUERY_NODE').removesuffix('_NODE')} in it")
        if kind == "TABLE_FUNCTION":
            _judge_table_function(part["function"], anywhere)
        if kind == "BASE_TABLE" and part["table_name"].lower() in REFUSED_VIEWS:
            raise ValueError(f"the view {part['table_name']} is not for questions about a store")
        name = str(part.get("function_name", "")).lower()
        if name in REFUSED_FUNCTIONS:
            raise ValueError(f"the function {name} is not for questions about a store")


def _judge_table_function(function: Any, anywhere: bool) -> None:
    name = str(function.get("function_name", "")).lower()
    if name in READERS and not anywhere:
        raise ValueError(f"{name} reads files, and a question only the tables of its store (--allow-files)")
    if name not in TABLE_FUNCTIONS | READERS:
        raise ValueError(f"the table function {name} is not for questions about a store")


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a tree of JSON, however deep it lies."""
    pending = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending += part.values()
        elif isinstance(part, list):
            pending += part
