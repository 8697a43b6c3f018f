"""What `windrow corrections` says and does."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from windrow.tasks.corrections.correction_files import FIELDS, read_corrections_file, resolve
from windrow.tasks.corrections.correction_list import (
    Correction,
    add_new,
    append_corrections,
    counted,
    of_several,
    read_corrections,
    read_standing,
)
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.texts.cells import csv_lines
from windrow.tasks.texts.terminal import escape, visible

NEXT = "the next run takes them"


def print_corrections(console: Console, store: Path, every: bool) -> None:
    """Print corrections as a table, and how many of each kind stand."""
    table = _read(store, every)
    stands = set(read_standing(store)["number"].to_pylist())
    shown = Table("sample", "says", "", "who", "why", "on")
    for row in table.to_pylist():
        style = None if row["number"] in stands else "dim strike"
        value = row["value"] or row["other_sample_id"] or ""
        words = (row["sample_id"], row["kind"].replace("_", " "), value, row["who"], row["why"] or "")
        shown.add_row(*map(escape, words), f"{row['added_at']:%Y-%m-%d}", style=style)
    if table.num_rows:
        console.print(shown)
    rows = [row for row in table.to_pylist() if row["number"] in stands]
    console.print(f"{counted(rows)}: {NEXT}" if rows else f"store {visible(str(store))} has no corrections")


def write_corrections(console: Console, store: Path, every: bool, to: Path) -> None:
    """Write corrections to a new .csv file. Raises ValueError where there is one, or for another suffix."""
    if to.suffix.lower() != ".csv":
        raise ValueError(f"--out {to}: wants a name that ends with .csv")
    if to.exists():
        raise ValueError(f"--out {to}: there is such a file already")
    table = _read(store, every)
    rows = [[row["other_sample_id" if name == "other" else name] for name in FIELDS] for row in table.to_pylist()]
    write_atomically(to, "".join(csv_lines([FIELDS, *rows])))
    console.print(visible(f"{to}: {len(rows):,} corrections"), markup=False, highlight=False, soft_wrap=True)


def add_correction(
    console: Console, store: Path, sample: str, kind: str, value: str | None, who: str, why: str | None
) -> None:
    """Add what somebody says of one sample of the last run."""
    connection = connect_run(store)
    sample_id = resolve(connection, sample)
    other = resolve(connection, value) if kind == "not_a_duplicate" and value else None
    said = Correction(sample_id, kind, who, None if other else value, other, why)
    append_corrections(store, [said])
    text = f"{sample_id}: {kind.replace('_', ' ')}{f' {value}' if value else ''}, says {said.who}; {NEXT}"
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def import_corrections(console: Console, store: Path, path: Path, who: str) -> None:
    """Add what a file says, but for what is there already."""
    said = read_corrections_file(path, connect_run(store), who, of_several(store))
    added = add_new(store, said)
    told = counted({"kind": each.kind} for each in added) or "nothing new"
    text = f"{path}: {len(said):,} read; added: {told}; {NEXT}"
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def _read(store: Path, every: bool) -> pa.Table:
    return read_corrections(store) if every else read_standing(store)
