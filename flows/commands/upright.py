"""Rows with more columns than the terminal has room for: each stands upright, a line a column, nothing cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from windrow.tasks.texts.terminal import visible

UNBOUNDED = 1_000_000


def fits(console: Console, table: Table) -> bool:
    """Return whether the terminal is wide enough for the longest word of each column, so that no word is cut."""
    options = console.options.update(width=UNBOUNDED)
    return Measurement.get(console, options, table).minimum <= console.width


def print_upright(console: Console, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row under its number, from 1: a line for each of its columns, folded where it is too long."""
    for number, row in enumerate(rows, start=1):
        console.print(Rule(f"row {number}", align="left", style="dim"))
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in zip(names, row, strict=True):
            table.add_row(Text(visible(name)), Text(visible(value)))
        console.print(table)
