"""The catalog shows one row a sample, answers questions, and lets SQL do nothing else."""

import re
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from windrow.schemas import EMBEDDINGS, MODEL_SCORES, OCCURRENCES, QUALITY, REGISTRY, SAMPLES, TABLES, Table
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import POOL_SQL, connect, open_catalog
from windrow.tasks.storage.files.parquet import write_table

SAMPLE = {
    "width": [8],
    "height": [8],
    "mode": ["L"],
    "format": ["PNG"],
    "n_frames": [1],
    "exif_orientation": [1],
    "n_bytes": [99],
}


def sample_files(folder: Path, n_files: int) -> list[Path]:
    """Write the same sample into several files, as shards that hold the same image do."""
    paths = [folder / f"{i}'s samples.parquet" for i in range(n_files)]
    for path in paths:
        write_table(SAMPLES, SAMPLES.build({"sample_id": ["a"], **SAMPLE}), path)
    return paths


def test_every_table_has_a_view_even_when_it_is_empty() -> None:
    connection = connect({})
    for table in TABLES:
        if table.name not in ("runs", "stages", "exports", "shards"):
            columns = connection.sql(f"SELECT * FROM {table.name}").columns
            assert columns == [column.name for column in table.columns]
    assert connection.sql("SELECT count(*) FROM pool").fetchall() == [(0,)]


def test_a_sample_of_two_shards_is_one_row_whatever_the_names_of_files(tmp_path: Path) -> None:
    connection = connect({"samples": sample_files(tmp_path, 2)})
    assert connection.sql("SELECT sample_id, selected FROM pool").fetchall() == [("a", False)]


def test_what_two_shards_say_of_a_sample_is_one_row_of_the_pool_with_all_its_scores(tmp_path: Path) -> None:
    quality = {"sample_id": ["a"], **{name: [0.5] for name in ("blur", "brightness", "contrast", "entropy")}}
    scores = {"sample_id": ["a", "a"], "score": ["x.b", "x.a"], "value": [0.5, None], "error": [None, "gone"]}
    tables = {"samples": sample_files(tmp_path, 2), "quality": [], "model_scores": []}
    for shard in "12":
        for table, columns in ((QUALITY, quality), (MODEL_SCORES, scores)):
            tables[table.name].append(tmp_path / f"{shard}-{table.name}.parquet")
            write_table(table, table.build(columns), tables[table.name][-1])
    found = connect(tables).sql("SELECT blur, phash, n_pixels, aspect_ratio, model_scores FROM pool").fetchall()
    assert found == [(0.5, None, 64, 1.0, {"x.a": None, "x.b": 0.5})]


@pytest.mark.parametrize("first", [0, 1])
def test_of_a_sample_that_failed_in_one_of_two_shards_the_other_row_counts(tmp_path: Path, first: int) -> None:
    rows = [([0.25, 0.5], None), (None, "gone")]
    paths = []
    for number in (first, 1 - first):
        vector, error = rows[number]
        paths.append(tmp_path / f"{len(paths)}.parquet")
        columns = {"sample_id": ["a"], "backbone_id": ["b"], "embedding": [vector], "error": [error]}
        write_table(EMBEDDINGS, EMBEDDINGS.build(columns, dim=2), paths[-1])
    assert connect({"embeddings": paths}).sql("SELECT sample_id, error FROM embeddings").fetchall() == [("a", None)]


ASKED = [table for table in TABLES if re.search(rf"\b{table.name}\b", POOL_SQL) and table is not REGISTRY]


@pytest.mark.parametrize("table", ASKED, ids=[table.name for table in ASKED])
def test_a_column_that_an_older_table_lacks_is_null_in_the_pool(tmp_path: Path, table: Table) -> None:
    samples, path, empty = sample_files(tmp_path, 1), tmp_path / "old.parquet", table.schema().empty_table()
    every = set(connect({}).sql("SELECT * FROM pool").columns)
    for column in (each.name for each in table.columns if each.name not in table.primary_key):
        pq.write_table(empty.drop_columns([column]), path)
        connection = connect({"samples": samples, table.name: [path]})
        assert set(connection.sql("SELECT * FROM pool").columns) == every
        assert len(connection.sql(f'SELECT "{column}" FROM {table.name}').fetchall()) == 0


def test_of_an_older_table_everything_else_is_there(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    row = {"sample_id": ["a"], **SAMPLE}
    pq.write_table(SAMPLES.build(row).drop_columns(["n_frames"]), path)
    sql = "SELECT sample_id, width, format, n_frames, n_pixels FROM pool"
    assert connect({"samples": [path]}).sql(sql).fetchall() == [("a", 8, "PNG", None, 64)]


def test_sql_reads_the_store_and_no_other_file(tmp_path: Path) -> None:
    store, elsewhere = tmp_path / "store", tmp_path / "secret.csv"
    store.mkdir()
    elsewhere.write_text("a\n1\n")
    connection = connect({"samples": sample_files(store, 1)})
    assert connection.sql("SELECT count(*) FROM samples").fetchall() == [(1,)]
    for sql in (f"SELECT * FROM read_csv('{elsewhere}')", "SELECT * FROM glob('/*')", f"ATTACH '{tmp_path}/x.db'"):
        with pytest.raises(duckdb.PermissionException):
            connection.execute(sql)
    with pytest.raises(duckdb.InvalidInputException):
        connection.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW pool",
        "COPY (SELECT 1) TO 'x.csv'",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; DROP VIEW pool",
        "INSERT INTO x VALUES (1)",
    ],
)
def test_only_questions_are_answered(sql: str) -> None:
    with pytest.raises(ValueError, match=r"only SELECT|one SQL statement"):
        query(connect({}), sql)


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "DESCRIBE pool", "SHOW TABLES", "WITH a AS (SELECT 1) FROM a", "SUMMARIZE samples"]
)
def test_questions_are(sql: str) -> None:
    assert query(connect({}), sql) is not None


def test_a_store_without_a_finished_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="windrow run"):
        open_catalog(tmp_path)


def test_an_occurrence_table_of_wrong_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="occurrences"):
        OCCURRENCES.build({"sample_id": ["a"]})
