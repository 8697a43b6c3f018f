"""Do the tables of a run keep their declarations, and what holds between them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas import EMBEDDINGS, QUALITY, SAMPLES, TABLES, Column, Table
from windrow.schemas.exported import EXPORTED_SAMPLES, GONE
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.views import ONE_ROW_PER_SAMPLE, connect, run_tables, tables_of
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.parquet import ROWS_PER_GROUP
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.storage.verify.findings import LIMITS, Inspection
from windrow.tasks.storage.verify.invariants import COUNTS, INVARIANTS

EXPORT_TABLES = (EXPORTED_SAMPLES, GONE)
OF_EVERY_SHARD = (SAMPLES, QUALITY, EMBEDDINGS)


def inspect_run_tables(inspection: Inspection, run: Run) -> None:
    """Look at the tables of a finished run; those of damaged files are left out, and the run with them."""
    outputs = [run.store / path for record in run.stages() for path in record.outputs]
    if not inspection.is_sound(*outputs, run.store / "registry"):
        inspection.unchecked.append(f"the tables of run {run.run_id}, as files of it are damaged")
        return
    exported = tables_of({Stage.EXPORT: run.outputs(Stage.EXPORT)})
    files = {**run_tables(run), **{table.name: exported.get(table.name, []) for table in EXPORT_TABLES}}
    inspection.advance(0, "tables")
    n_before = len(inspection.damage)
    for declared in (*TABLES, *EXPORT_TABLES):
        for path in files.get(declared.name, ()):
            inspect_rows(inspection, declared, path)
    if len(inspection.damage) > n_before:
        inspection.unchecked.append(f"what holds between the tables of run {run.run_id}, as rows of them are damaged")
        return
    with inspection.reading(f"run {run.run_id}"), _connected(files) as connection:
        look = _Look(inspection, connection, run)
        for declared in (*TABLES, *EXPORT_TABLES):
            if files.get(declared.name):
                look.at_keys(declared, files[declared.name])
                look.at_references(declared)
        look.at_invariants()
        look.at_counts()
    _inspect_drift(inspection, run)


def inspect_rows(inspection: Inspection, declared: Table, path: Path) -> None:
    """Validate a file of a declared table, a group of rows at a time; with `quick` only its columns."""
    with inspection.reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        if inspection.quick:
            inspection.n_rows += file.metadata.num_rows
            declared.validate(file.schema_arrow.empty_table())
            return
        for batch in file.iter_batches(ROWS_PER_GROUP):
            declared.validate(pa.Table.from_batches([batch]))
            inspection.n_rows += batch.num_rows


@contextmanager
def _connected(files: Mapping[str, Sequence[Path]]) -> Iterator[Any]:
    with connect(files, LIMITS) as connection:
        for declared in EXPORT_TABLES:
            _view(connection, declared.name, declared, files[declared.name])
        for declared in OF_EVERY_SHARD:
            _view(connection, f"all_{declared.name}", declared, files.get(declared.name, ()))
        yield connection


def _view(connection: Any, name: str, declared: Table, files: Sequence[Path]) -> None:
    if files:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {parquet_scan(files)}")
    else:
        connection.register("_none", declared.schema().empty_table())
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM _none")


class _Look:
    """A look at the tables of one run, through SQL."""

    def __init__(self, inspection: Inspection, connection: Any, run: Run) -> None:
        self._inspection, self._connection, self._run = inspection, connection, run

    def at_keys(self, declared: Table, files: Sequence[Path]) -> None:
        """A sample that lies in two shards has a row for each, so there a key is unique in its file."""
        keys = ", ".join(f'"{key}"' for key in declared.primary_key)
        by_file = ", filename" if declared.name in ONE_ROW_PER_SAMPLE else ""
        rows = parquet_scan(files, ", filename = true")
        self._expect_none(
            declared.name,
            f"keys ({', '.join(declared.primary_key)}) are there more than once",
            f"SELECT count(*) FROM (SELECT 1 FROM {rows} GROUP BY {keys}{by_file} HAVING count(*) > 1)",
        )

    def at_references(self, declared: Table) -> None:
        for column in declared.columns:
            if column.references:
                self._at_reference(declared, column, *column.references)

    def _at_reference(self, declared: Table, column: Column, table: str, key: str) -> None:
        rows = f"all_{declared.name}" if declared in OF_EVERY_SHARD else declared.name
        sql = f"FROM {rows} a ANTI JOIN {table} b ON a.{column.name} = b.{key} WHERE a.{column.name} IS NOT NULL"
        self._expect_none(declared.name, f"values of {column.name} are not in {table}.{key}", f"SELECT count(*) {sql}")

    def at_invariants(self) -> None:
        for invariant in INVARIANTS:
            self._expect_none(invariant.table, invariant.broken, invariant.sql)

    def at_counts(self) -> None:
        for stage, counts in COUNTS.items():
            outputs = self._run.outputs(stage)
            for count, sql in counts.items():
                kept, found = sum(output.counts.get(count, 0) for output in outputs), self._ask(stage, sql)
                if found is not None and kept != found:
                    self._report(stage, f"the stage counted {kept:,} ({count}), now there are {found:,}")

    def _expect_none(self, table: str, broken: str, sql: str) -> None:
        found = self._ask(table, sql)
        if found:
            self._report(table, f"{found:,} {broken}")

    def _ask(self, table: str, sql: str) -> int | None:
        try:
            return int(self._connection.sql(sql).fetchall()[0][0])
        except duckdb.Error as error:
            self._report(table, f"cannot be asked: {str(error).splitlines()[0]}")
            return None

    def _report(self, what: str, reason: str) -> None:
        self._inspection.report(f"run {self._run.run_id}, {what}", reason)


def _inspect_drift(inspection: Inspection, run: Run) -> None:
    """A clustering that went on from an earlier one has said how the new samples lay in it."""
    for output in run.outputs(Stage.CLUSTER):
        path = output.path / "drift.parquet"
        with inspection.reading(path):
            n_rows, wanted = pq.read_metadata(path).num_rows, int(output.inputs["earlier"] is not None)
            if n_rows != wanted:
                inspection.report(path, f"has {n_rows} rows, and should have {wanted}")
