"""`windrow du`: what a store spends its bytes on."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from windrow.tasks.report.formats import percent, size
from windrow.tasks.storage.store.disk_usage import disk_usage
from windrow.tasks.texts.terminal import escape


def print_usage(console: Console, store: Path) -> None:
    """Print a row a place, the most bytes first, their sum, and what is free beside it."""
    spent = disk_usage(store)
    total = sum(each.n_bytes for each in spent)
    table = Table("place", "files", "on disk", "share", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for each in spent:
        table.add_row(
            escape(each.place), f"{each.n_files:,}", size(each.n_bytes), percent(each.n_bytes / max(1, total))
        )
    table.add_section()
    table.add_row("all", f"{sum(each.n_files for each in spent):,}", size(total), "")
    console.print(table)
    console.print(f"{size(shutil.disk_usage(store).free)} are free beside it; `windrow gc` says what can go")
