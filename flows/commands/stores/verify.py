"""What `windrow verify` prints: how far it is, every damage in a line, and what was looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from windrow.tasks.storage.verify.verification import Verification, bytes_to_read, verify
from windrow.tasks.texts.terminal import visible


def verify_and_print(console: Console, path: Path, quick: bool) -> bool:
    """Verify a store or a version and print what was found; say whether it is sound. Raises ValueError as `verify`."""
    with _progress(path, quick) as progress:
        found = verify(path, quick, progress)
    for damage in found.damage:
        console.print(visible(f"{damage.path}: {damage.reason}"), markup=False, highlight=False, soft_wrap=True)
    for text in found.unchecked:
        console.print(visible(f"not looked at: {text}"), markup=False, highlight=False, soft_wrap=True)
    console.print(visible(f"{path}: {_summary(found, quick)}"), markup=False, highlight=False, soft_wrap=True)
    return not found.damage


def _summary(found: Verification, quick: bool) -> str:
    how = f"{found.n_files:,} files, {'not hashed' if quick else decimal(found.n_bytes)}, {found.n_rows:,} rows checked"
    n = len(found.damage)
    return f"{how}; {'no damage' if not n else '1 damage' if n == 1 else f'{n:,} damages'}"


@contextmanager
def _progress(path: Path, quick: bool) -> Iterator[Callable[[int, str], None] | None]:
    """Show a bar of bytes while the block runs, on a terminal; it goes away at the end."""
    if quick or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description:>14}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=bytes_to_read(path))
        yield lambda n_bytes, name: bar.update(task, advance=n_bytes, description=f"verify, {name.split('/')[0]}")
