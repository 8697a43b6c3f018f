"""`windrow query`: one question in SQL, within limits, and its rows as a table, CSV, JSON lines, Arrow or Parquet."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from rich.console import Console
from rich.table import Table

from windrow.flows.commands.answer_file import AnswerFile
from windrow.flows.commands.last_word import note_only_answers
from windrow.flows.commands.limited_memory import lift_limit, limited_memory
from windrow.flows.commands.upright import fits, print_upright
from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.catalog.judged_sql import question
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.texts.cells import csv_lines
from windrow.tasks.texts.terminal import escape, visible_json

Form = Literal["table", "csv", "json", "arrow", "parquet"]
SUFFIXES: dict[str, Form] = {".csv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow", ".parquet": "parquet"}

ROWS_ON_TERMINAL = 100
ROWS_UPRIGHT = 10
ROWS_AT_ONCE = 10_000
SECONDS_TO_END = 5.0
OVERHEAD = 2**31
"""Bytes of address space beside the memory that SQL may take."""


def answer(
    console: Console,
    store: Path,
    run_id: str | None,
    sql: str,
    form: Form | None,
    to: Path | None,
    limits: SqlLimits,
    anywhere: bool,
) -> None:
    """Print the rows that a question asks for, or write them to the new file `to`, in the form of its suffix.

    Raises ValueError for what is no question, for a file that exists, has no known suffix or lies in the store, and for
    one that would be larger than it may.
    """
    note_only_answers()
    chosen = _form_of(form, to, store)
    with _kept(limits):
        connection = connect_run(store, run_id, limits, anywhere=anywhere)
        asked = question(connection, sql, anywhere=anywhere)
        if chosen == "table":
            _print_table(console, connection.sql(asked))
        elif to is None:
            WRITERS[chosen](connection.execute(asked), sys.stdout)
        else:
            _write(connection, asked, chosen, to, limits.answer)


def _form_of(form: Form | None, to: Path | None, store: Path) -> Form:
    if to is None:
        if form in ("arrow", "parquet"):
            raise ValueError(f"--format {form} goes into a file: name it with --out")
        return form or "table"
    if to.exists():
        raise ValueError(f"--out {to}: there is such a file already")
    if to.absolute().resolve().is_relative_to(store.resolve()):
        raise ValueError(f"--out {to}: lies in the store, which nobody writes to but runs")
    chosen = form or SUFFIXES.get(to.suffix.lower())
    if chosen is None or chosen == "table":
        raise ValueError(
            f"--out {to}: wants a name that ends with {', '.join(SUFFIXES)}, or --format csv|json|arrow|parquet"
        )
    return chosen


@contextmanager
def _kept(limits: SqlLimits) -> Iterator[None]:
    """Keep the limits where DuckDB does not: in one function that it cannot interrupt, or that takes memory aside."""
    with limited_memory(int(limits.memory * 2**30) + OVERHEAD):
        if limits.seconds is None:
            yield
            return
        timer = threading.Timer(limits.seconds + SECONDS_TO_END, _give_up, [limits.seconds])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _give_up(seconds: float) -> None:
    lift_limit()
    print(
        f"error: the SQL took longer than {seconds:g} s; `windrow query --seconds` allows more",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def _write(connection: Any, sql: str, form: Form, to: Path, most: float | None) -> None:
    """Write a file that is there when it is whole, and has `most` GiB at most."""
    new = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with io.BufferedWriter(AnswerFile(new, most)) as file:
            if form in ("arrow", "parquet"):
                reader = connection.sql(sql).to_arrow_reader(ROWS_AT_ONCE)
                with _columns_writer(file, form, reader.schema) as writer:
                    for batch in reader:
                        writer.write_batch(batch)
            else:
                with io.TextIOWrapper(file, encoding="utf-8", newline="") as lines:
                    WRITERS[form](connection.execute(sql), lines)
        os.link(new, to)  # fails where another has made it meanwhile
    finally:
        new.unlink(missing_ok=True)


def _columns_writer(file: IO[bytes], form: Form, schema: Any) -> Any:
    if form == "parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, schema, compression="zstd")
    import pyarrow as pa

    return pa.ipc.new_stream(file, schema)


def _write_csv(result: Any, file: IO[str]) -> None:
    file.writelines(csv_lines([_names(result)]))
    for rows in _batches(result):
        file.writelines(csv_lines(rows))


def _write_json(result: Any, file: IO[str]) -> None:
    names = _names(result)
    for rows in _batches(result):
        for row in rows:
            values = dict(zip(names, map(_for_json, row), strict=True))
            file.write(visible_json(json.dumps(values, default=str, ensure_ascii=False)) + "\n")


WRITERS: dict[str, Callable[[Any, IO[str]], None]] = {"csv": _write_csv, "json": _write_json}


def _names(result: Any) -> list[str]:
    return [column[0] for column in result.description]


def _batches(result: Any) -> Iterator[Sequence[tuple[Any, ...]]]:
    while rows := result.fetchmany(ROWS_AT_ONCE):
        yield rows


def _for_json(value: Any) -> Any:
    """JSON has no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_for_json(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _for_json(each) for name, each in value.items()}
    return value


def _print_table(console: Console, relation: Any) -> None:
    found = relation.limit(ROWS_ON_TERMINAL + 1).fetchall()
    rows = [[shown(value) for value in row] for row in found]
    table = Table(*(escape(name) for name in relation.columns))
    for row in rows[:ROWS_ON_TERMINAL]:
        table.add_row(*map(escape, row))
    n_shown = ROWS_ON_TERMINAL
    if fits(console, table):
        console.print(table)
    else:
        n_shown = ROWS_UPRIGHT
        print_upright(console, relation.columns, rows[:n_shown])
    if len(rows) > n_shown:
        console.print(f"the first {n_shown} rows; --format csv prints all", style="dim")


def shown(value: Any) -> str:
    """Return a value as people read it; whole numbers as they are, which may be years or names."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    return str(value)
