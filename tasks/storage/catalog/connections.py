"""The one door to DuckDB: every connection of the house is opened here, and confined before it sees any SQL.

A connection reads the files that it was opened for and nothing else: no other file, no network, no extension, no Python
variable. Nothing of this can be undone on it. What a user's SQL may do beyond reading is judged in `judged_sql`.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from windrow.tasks.storage.files.literal_paths import literal_path
from windrow.tasks.storage.files.parquet import first_damaged
from windrow.tasks.storage.memory_budget import memory_budget, told_budget


@dataclass(frozen=True)
class SqlLimits:
    """What SQL may take: `memory` and, beyond it, `spill` on disk in GiB; `threads`, 0 for one a core; `seconds`.

    No number of seconds: as long as it takes. `answer`: GiB of the file that its rows go into; None: any size.
    """

    memory: float = 4.0
    threads: int = 0
    seconds: float | None = 600.0
    spill: float = 20.0
    answer: float | None = None


USER_SQL = SqlLimits()
"""Of a question on the command line, and of each expression of a config."""

_opened: deque[tuple[Path, ...]] = deque(maxlen=8)

SEALED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}


def open_connection(files: Iterable[Path] = (), *, limits: SqlLimits | None = None, anywhere: bool = False) -> Any:
    """Return a DuckDB connection in memory that reads these files, which are taken literally, and no others.

    `limits`: none for what the house asks itself, but for the memory that a run may take (`memory_budget`), which also
    holds where limits are given inside a run.
    `anywhere`: other files of this machine can be read too. A query that takes longer than its limit raises
    duckdb.InterruptException.
    """
    files = tuple(path.absolute() for path in files)
    _opened.appendleft(files)
    scratch = Path(tempfile.gettempdir()) / f"windrow-sql-{uuid.uuid4().hex}"  # made when it is needed
    settings: dict[str, Any] = {**SEALED, "temp_directory": str(scratch)}
    told = memory_budget() if limits is None else told_budget()
    allowed = [f"{told // 2**20}MiB"] if told is not None else []
    if limits is not None:
        allowed = [f"{limits.memory}GiB"] if told is None or limits.memory * 2**30 < told else allowed
        settings |= {"max_temp_directory_size": f"{limits.spill}GiB"}
        settings |= {"max_execution_time": max(1, round(limits.seconds * 1000))} if limits.seconds else {}
        settings |= {"threads": limits.threads} if limits.threads else {}
    connection = duckdb.connect(config={**settings, "memory_limit": allowed[0]})
    connection.execute("SET enable_progress_bar = false")  # it would write into what a command prints
    if not anywhere:
        _confine(connection, files)
    connection.execute("SET lock_configuration = true")
    return connection


def _confine(connection: Any, files: Iterable[Path]) -> None:
    paths = {str(path) for path in files}
    spelt = sorted(paths | {literal_path(path) for path in paths})
    connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, spelt))}]")
    connection.execute("SET enable_external_access = false")


def damage_behind(error: duckdb.Error) -> str | None:
    """Return what is wrong with which file that connections were lately opened for, where that may be behind an error.

    DuckDB does not always say which file it was about. Reads them, those opened last first; None when all are whole,
    or when it cannot be that.
    """
    asked = (
        duckdb.ProgrammingError,
        duckdb.PermissionException,
        duckdb.InterruptException,
        duckdb.OutOfMemoryException,
    )
    if isinstance(error, asked) and not isinstance(error, duckdb.InvalidInputException):
        return None
    return first_damaged(path for files in _opened for path in files if path.suffix == ".parquet")


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
