"""The pool as a table: what every other table of a run says of each sample, joined once and kept.

DuckDB joins and sorts, on disk where memory does not suffice, and what comes is written as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from windrow.schemas import POOL, REGISTRY
from windrow.schemas.joined_pool import JOINED
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.catalog.views import JOINED_SQL, connect, run_tables
from windrow.tasks.storage.files.seals import seal_of
from windrow.tasks.storage.store.outputs import Done, OutputWriter, fingerprint, make_output
from windrow.tasks.storage.store.registry import registry_files
from windrow.tasks.storage.store.run_records import Run

VERSION = 1
ROWS_PER_GROUP = 131_072
"""A question that asks for one row reads this many: of many more it waits for them, of many fewer for the file."""
LIMITS = SqlLimits(memory=4.0, seconds=None, spill=4096.0)


def tabulate_pool(run: Run) -> Done:
    """Write POOL of a run whose samples all have their place: by `rank`, and those without one by `sample_id`."""
    tables = {joined.table.name for joined in JOINED}

    def write(writer: OutputWriter) -> None:
        files = {name: paths for name, paths in run_tables(run).items() if name in tables}
        connection = connect(files, LIMITS)
        sorted_rows = connection.sql(f"{JOINED_SQL} ORDER BY rank NULLS LAST, sample_id")
        schema, n_samples = POOL.schema(), 0
        with writer.writing(POOL, schema, rows_per_group=ROWS_PER_GROUP, indexed=POOL.primary_key) as add:
            for part in _groups(sorted_rows.to_arrow_reader(ROWS_PER_GROUP)):
                add(part.cast(schema))
                n_samples += part.num_rows
        writer.counts["n_samples"] = n_samples

    return make_output(run.store, Stage.POOL, VERSION, _inputs(run, tables), write)


def _inputs(run: Run, tables: Iterable[str]) -> dict[str, str]:
    """What the pool depends on: the content of the tables that it is put together from, whoever made them."""
    outputs = [
        output for record in run.stages() if record.stage != Stage.EXPORT for output in run.outputs(record.stage)
    ]
    files = {
        name: sorted({each.files[f"{name}.parquet"] for each in outputs if f"{name}.parquet" in each.files})
        for name in tables
    }
    files[REGISTRY.name] = [seal_of(path) for path in registry_files(run.store)]
    return {name: fingerprint(digests) for name, digests in sorted(files.items())}


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut rows into groups of ROWS_PER_GROUP, however they come."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        waiting.append(batch)
        n_waiting += batch.num_rows
        while n_waiting >= ROWS_PER_GROUP:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, ROWS_PER_GROUP)
            waiting = table.slice(ROWS_PER_GROUP).to_batches()
            n_waiting -= ROWS_PER_GROUP
    if n_waiting:
        yield pa.Table.from_batches(waiting)
