"""Numbers with the SQL that gives them: what a page asks is kept, and each number knows the answer that it is from.

`Asked` stands where a connection does. The numbers in its answers are integers and floats like others; what is made of
them by arithmetic is not cited any more, so it is for SQL to do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from windrow.tasks.storage.catalog.connections import quoted

Row = dict[str, Any]

# Text in quotes, as it is; the place of a parameter; blanks and the ends of lines.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\$(\d+)|\s+")
_UNQUOTED = re.compile(r'["$`\\!]')


@dataclass(frozen=True)
class Query:
    """A question of a page: its place there, its SQL, the run it is about, and whether it reads files of versions."""

    anchor: str
    sql: str
    run_id: str
    files: bool = False

    def command(self, store: Path) -> str:
        """The command that asks it, as a shell takes it."""
        sql = shlex.quote(self.sql) if _UNQUOTED.search(self.sql) else f'"{self.sql}"'
        allowed = " --allow-files" if self.files else ""
        return f"windrow query --store {shlex.quote(str(store))} --run {self.run_id}{allowed} {sql}"


class Cited:
    """Where a number stands: the question, and the row and column of its answer."""

    anchor: str
    row: int
    column: str


class CitedInt(Cited, int):
    """An integer of an answer."""


class CitedFloat(Cited, float):
    """A float of an answer."""


@dataclass(frozen=True)
class Rows:
    """The answer to a question, with `fetchall` and `fetchone` as DuckDB has them; `n` of its rows come at most."""

    anchor: str
    columns: tuple[str, ...]
    found: tuple[tuple[Any, ...], ...]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return list(self.found)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, None without any."""
        return self.found[0] if self.found else None

    @property
    def description(self) -> list[tuple[str]]:
        """The names of the columns, each alone in a tuple."""
        return [(name,) for name in self.columns]

    def __iter__(self) -> Iterator[Row]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.found)

    def __len__(self) -> int:
        return len(self.found)

    def first(self) -> Row:
        """The first row by its names; every number None where there is none."""
        return next(iter(self), dict.fromkeys(self.columns))


@dataclass
class Asked:
    """A connection over a run's tables whose questions are kept, under names that begin with `section`."""

    connection: Any
    run_id: str
    section: str
    queries: list[Query] = field(default_factory=list)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Ask a question; `params` for $1, $2, ... go into its SQL, so that it can be asked again as it stands."""
        return self.of(self.connection, self.run_id, sql, params)

    def of(self, connection: Any, run_id: str, sql: str, params: Sequence[Any] = (), *, files: bool = False) -> Rows:
        """Ask a question of another connection: of another run, or one that reads `files` of versions too."""
        query = self._keep(sql, params, run_id, files)
        answer = connection.execute(query.sql)
        columns = tuple(column[0] for column in answer.description)
        rows = (
            tuple(cite(value, query.anchor, n, name) for name, value in zip(columns, row, strict=True))
            for n, row in enumerate(answer.fetchall())
        )
        return Rows(query.anchor, columns, tuple(rows))

    def note(self, sql: str, params: Sequence[Any] = ()) -> str:
        """Keep a question whose answer is drawn and not told in numbers, and return its anchor."""
        return self._keep(sql, params, self.run_id, files=False).anchor

    def _keep(self, sql: str, params: Sequence[Any], run_id: str, files: bool) -> Query:
        told = _TOKEN.sub(lambda found: _told(found, params), sql.strip())
        query = Query(f"{self.section}-{len(self.queries) + 1}", told, run_id, files)
        self.queries.append(query)
        return query


def cite(value: Any, anchor: str, row: int, column: str) -> Any:
    """Return a number that knows its place; what is no number as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    whole = isinstance(value, int)
    cited: CitedInt | CitedFloat = CitedInt(value) if whole else CitedFloat(value)
    cited.anchor, cited.row, cited.column = anchor, row, column
    return cited


def _told(found: re.Match[str], params: Sequence[Any]) -> str:
    if found[1]:
        return literal(params[int(found[1]) - 1])
    return " " if found[0].isspace() else found[0]


def literal(value: Any) -> str:
    """Return a value as SQL has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list | tuple) else repr(value)
