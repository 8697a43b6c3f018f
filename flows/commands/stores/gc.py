"""`windrow gc`: what a store spends its bytes on, and what no kept run needs."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from windrow.tasks.report.formats import plural, size
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.garbage import Garbage, find_garbage, take_away
from windrow.tasks.texts.terminal import escape


def print_gc(console: Console, store: Path, n_runs: int, yes: bool) -> None:
    """Print what would go, or take it away and say so. Raises ValueError while a run is at work in the store."""
    if not yes:
        found = find_garbage(store, n_runs)
        _print_usage(console, store, found)
        if found.outputs or found.begun:
            console.print("dry run: nothing was changed; --yes takes it away")
        return
    found = take_away(store, n_runs)
    _print_usage(console, store, found)
    console.print(f"taken away: {gone(found)}", soft_wrap=True)


def gone(found: Garbage) -> str:
    """Say what goes."""
    runs = f"; withdrawn: {', '.join(run.run_id for run in found.runs)}" if found.runs else ""
    begun = f" and {len(found.begun):,} that killed runs had begun" if found.begun else ""
    return f"{plural(len(found.outputs), 'output')}{begun}, {size(found.n_bytes)}{runs}"


def _print_usage(console: Console, store: Path, found: Garbage) -> None:
    table = Table("outputs of", "number", "size", "needless", "size", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, usage in sorted(found.usage.items(), key=lambda item: -item[1].n_bytes):
        row = (f"{usage.n_outputs:,}", size(usage.n_bytes), f"{usage.n_needless:,}")
        table.add_row(escape(stage), *row, size(usage.n_bytes_needless))
    console.print(table)
    for version in list_versions(store):
        console.print(escape(f"{version.name} {version.version}: {size(version.n_bytes)}, stays"), soft_wrap=True)
    console.print(f"no kept run needs {gone(found)}", soft_wrap=True)
