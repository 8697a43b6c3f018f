"""The pool as a table says what the join of its tables says, by rank, and is made again when these differ."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pool import SmallPool, curate_small
from taken_down import copied

from windrow.schemas import POOL
from windrow.schemas.stages import Stage
from windrow.tasks.export import pool_table
from windrow.tasks.export.pool_table import tabulate_pool
from windrow.tasks.storage.catalog.views import connect, run_tables
from windrow.tasks.storage.store.registry import register_samples
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.store.run_records import Run, latest_run


@pytest.fixture(scope="module")
def pool(small: SmallPool, tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    return copied(small, tmp_path_factory.mktemp("pool") / "store")


@pytest.fixture
def run(pool: SmallPool) -> Run:
    run = latest_run(pool.store)
    assert run is not None
    return run


def rows(connection: Any, order: str) -> list[Any]:
    found: list[Any] = connection.sql(f"SELECT * FROM pool ORDER BY {order}").fetchall()
    return found


def test_its_columns_are_those_of_the_join() -> None:
    assert connect({}).sql("SELECT * FROM pool").columns == [column.name for column in POOL.columns]


def test_it_says_what_the_join_says_and_stands_by_rank(run: Run) -> None:
    files = run_tables(run)
    assert len(files["pool"]) == 1
    joined = connect({name: paths for name, paths in files.items() if name != "pool"})
    table = connect(files)
    assert table.sql("DESCRIBE pool").fetchall() == joined.sql("DESCRIBE pool").fetchall()
    assert rows(table, "sample_id") == rows(joined, "sample_id")
    assert rows(joined, "rank NULLS LAST, sample_id") == table.sql("SELECT * FROM pool").fetchall()
    assert "PARQUET" in str(table.sql("EXPLAIN SELECT * FROM pool").fetchall())
    assert "JOIN" not in str(table.sql("EXPLAIN SELECT * FROM pool").fetchall())


def test_a_sample_is_found_by_its_id_through_a_filter_that_tells_which_groups_lack_it(run: Run) -> None:
    (path,) = run_tables(run)["pool"]
    column = POOL.schema().get_field_index("sample_id")
    assert pq.ParquetFile(path).metadata.row_group(0).column(column).bloom_filter_offset is not None


def test_it_is_found_done_and_made_again_only_when_a_table_or_the_registry_differs(pool: SmallPool, run: Run) -> None:
    assert tabulate_pool(run).found
    again, _ = curate_small(pool.config)
    assert tabulate_pool(again).path == tabulate_pool(run).path
    register_samples(pool.store, pa.array(["0" * 32]))
    other = tabulate_pool(run)
    assert not other.found and other.path != run.outputs(Stage.POOL)[0].path.relative_to(pool.store).as_posix()


def test_made_in_groups_of_any_size_it_holds_the_same_rows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = tabulate_pool(run)
    whole = pq.read_table(run.store / done.path / "pool.parquet")
    remove_output(run.store / done.path)
    monkeypatch.setattr(pool_table, "ROWS_PER_GROUP", 5)
    again = tabulate_pool(run)
    file = pq.ParquetFile(run.store / again.path / "pool.parquet")
    assert file.read().equals(whole)
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert set(sizes[:-1]) == {5} and sum(sizes) == whole.num_rows


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_groups_are_full_however_the_rows_come(sizes: list[int], rows_per_group: int) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        at = 0
        for size in sizes:
            yield pa.record_batch({"n": pa.array(range(at, at + size), pa.int64())})
            at += size

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_table, "ROWS_PER_GROUP", rows_per_group)
        groups = [group["n"].to_pylist() for group in pool_table._groups(batches())]
    assert [n for group in groups for n in group] == list(range(sum(sizes)))
    assert all(len(group) == rows_per_group for group in groups[:-1])


def test_one_thread_and_many_make_the_same_bytes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    for threads in (1, 2, 4):
        remove_output(run.store / tabulate_pool(run).path)
        monkeypatch.setattr(pool_table, "LIMITS", pool_table.SqlLimits(memory=1.0, threads=threads, seconds=None))
        made.add((run.store / tabulate_pool(run).path / "pool.parquet").read_bytes())
    assert len(made) == 1
