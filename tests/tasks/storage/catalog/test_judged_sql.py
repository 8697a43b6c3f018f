"""SQL asks and does nothing else: no statement of any kind, however wrapped, writes, or looks beyond the store."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from code_graph import modules
from sql_statements import ALLOWED, DOING, READING, filled, wrapped

from windrow.tasks.selection.pool_ranking import check_sql
from windrow.tasks.selection.selection_config import Filter, SelectionConfig
from windrow.tasks.storage.catalog.connections import SqlLimits, open_connection
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import connect_run, open_catalog
from windrow.tasks.storage.files.literal_paths import parquet_scan

SECRET = "a-word-that-nobody-may-see"
LIMITS = SqlLimits(memory=0.25, threads=1, seconds=2.0, spill=0.01)
python_variable = "a name that DuckDB could find"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that is not the store's."""
    path = tmp_path / "beside" / "secret.csv"
    path.parent.mkdir()
    path.write_text(f"{SECRET}\n1\n")
    return path


def refused(connection: Any, sql: str) -> bool:
    """Run a statement as `windrow query` would; say whether it was refused. Nothing may tell the secret."""
    try:
        told = str(query(connection, sql).fetchall())
    except (ValueError, duckdb.Error) as error:
        assert SECRET not in str(error).replace(sql, "")
        return True
    assert SECRET not in told
    return False


def test_nothing_that_does_something_or_looks_elsewhere_is_run_however_it_is_wrapped(
    made: Path, secret: Path, digests: Callable[[Path], Mapping[str, str]]
) -> None:
    before = digests(made)
    with connect_run(made, limits=LIMITS) as connection:
        for statement in (*DOING.values(), *READING.values()):
            for sql in wrapped(filled(statement, made, secret)):
                assert refused(connection, sql), sql
        assert connection.sql("SELECT count(*) FROM runs").fetchall() == [(1,)]
    assert digests(made) == before


def test_questions_are_answered(made: Path) -> None:
    with connect_run(made, limits=LIMITS) as connection:
        for sql in ALLOWED:
            assert not refused(connection, sql), sql


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("COPY runs TO 'x'", "got COPY RUNS$"),
        ("/* why */ drop -- how\n view pool", "got DROP VIEW$"),
        ("UPDATE EXTENSIONS", "got UPDATE EXTENSIONS$"),
        ("PIVOT labels ON label_set USING count(*)", r"got PIVOT LABELS; PIVOT wants its values: ON \.\.\. IN"),
        ("SELECT 1; SELECT 2", "one SQL statement at a time; got 2"),
        ("SELECT '\udcff'", "is not UTF-8"),
        ("SELECT " + "+".join("1" * 900), "nests too deeply"),
    ],
)
def test_what_is_refused_is_told_in_words(sql: str, told: str) -> None:
    with open_connection() as connection, pytest.raises(ValueError, match=told):
        query(connection, sql)


def test_no_view_of_duckdbs_shows_what_its_function_may_not(made: Path) -> None:
    with connect_run(made, limits=LIMITS) as connection:
        views = connection.sql("SELECT schema_name, view_name, sql FROM duckdb_views() WHERE internal").fetchall()
        telling = [view[:2] for view in views if re.search(r"duckdb_(settings|secrets|logs|variables)\(", view[2])]
        assert ("pg_catalog", "pg_settings") in telling
        for schema, view in telling:
            assert refused(connection, f"SELECT * FROM {schema}.{view}")


def test_the_librarys_catalog_is_as_strict(
    made: Path, secret: Path, digests: Callable[[Path], Mapping[str, str]]
) -> None:
    before = digests(made)
    with open_catalog(made) as catalog:
        for statement in (*DOING.values(), *READING.values()):
            sql = filled(statement, made, secret)
            for ask in (catalog.sql, catalog.execute):
                with pytest.raises((ValueError, duckdb.Error)):
                    ask(sql).fetchall()
    assert digests(made) == before


@pytest.mark.parametrize("kind", READING)
def test_a_filter_of_a_config_sees_nothing_of_the_machine(secret: Path, kind: str) -> None:
    inner = READING[kind].format(secret=secret, folder=secret.parent, new=secret.parent / "new")
    for keep in (f"EXISTS ({inner})", f"(SELECT count(*) > 0 FROM ({inner}))", f"1 = 1) OR EXISTS ({inner}"):
        with pytest.raises(ValueError, match="rule 'curious'") as told:
            check_sql(SelectionConfig(filters=(Filter("curious", keep),)))
        assert SECRET not in str(told.value).replace(keep, "")


def test_other_files_are_read_where_that_was_asked_for_and_not_written(made: Path, secret: Path) -> None:
    with connect_run(made, limits=LIMITS, anywhere=True) as connection:
        assert query(connection, f"SELECT * FROM read_csv('{secret}')", anywhere=True).fetchall() == [(1,)]
        for sql in wrapped(f"COPY (SELECT 1) TO '{secret}'"):
            with pytest.raises((ValueError, duckdb.Error)):
                query(connection, sql, anywhere=True).fetchall()
    assert SECRET in secret.read_text()


ENDLESS = (
    "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    "WITH RECURSIVE a AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM a) SELECT count(*) FROM a",
    "SELECT sum(length(a.sample_id || b.sample_id)) FROM samples a, samples b, range(1000000000)",
)


@pytest.mark.parametrize("sql", ENDLESS)
def test_what_never_ends_is_interrupted(made: Path, sql: str) -> None:
    with connect_run(made, limits=SqlLimits(seconds=0.2)) as connection, pytest.raises(duckdb.InterruptException):
        query(connection, sql).fetchall()


def test_what_outgrows_memory_and_disk_is_given_up(made: Path) -> None:
    large = "SELECT list(a ORDER BY a) FROM (SELECT random() AS a FROM range(100000000))"
    with connect_run(made, limits=LIMITS) as connection, pytest.raises((duckdb.OutOfMemoryException, duckdb.Error)):
        query(connection, large).fetchall()


@pytest.mark.parametrize("name", ["b[1].parquet", "b*.parquet", "b?.parquet", "it's.parquet", "[!b]", "a b;c"])
def test_the_name_of_a_file_is_that_files_and_no_pattern(tmp_path: Path, name: str) -> None:
    for other, value in (("b1.parquet", 1), ("b2.parquet", 2), ("c", 3), (name, 4)):
        pq.write_table(pa.table({"a": [value]}), tmp_path / other)
    path = tmp_path / name
    with open_connection([path]) as connection:
        assert connection.sql(f"SELECT a FROM {parquet_scan([path])}").fetchall() == [(4,)]


def test_one_function_opens_all_connections() -> None:
    opening = {module for module, file in modules().items() if "duckdb.connect(" in file.read_text()}
    assert opening == {"windrow.tasks.storage.catalog.connections"}
