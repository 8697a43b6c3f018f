"""Questions to a store, each answered by a `windrow` command in a process of its own.

So a server keeps the very limits of the command line: a question that takes too much memory or time ends its own
process, and none beside it. A thread would not do: DuckDB cannot interrupt one call of a function (`list_sort` of a
long list), and what that holds counts against no limit of memory.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from windrow.tasks.storage.catalog.connections import SqlLimits

AT_ONCE = 2
SECONDS_OF_OTHERS = 120.0
"""How long a command may take that is no question in SQL."""
SECONDS_BESIDE = 30.0
"""How long a question may take beside its SQL: to start, and to be ended by its own limits."""
COMMAND = (
    "from windrow.tasks.lifeline import die_with; die_with(0); from windrow.flows.commands.cli import main; main()"
)
"""A command that ends when its server does, however that ends."""
LONGEST = 64 * 2**10
"""Bytes of a question: what one argument of a process may be, halved."""


@dataclass
class Asked:
    """A store and what questions to it may take; at most AT_ONCE of them are answered at once, others wait."""

    store: Path
    limits: SqlLimits
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def rows(self, sql: str, to: Path, run_id: str | None = None) -> None:
        """Write the rows of a question to a new file, in the form that its name ends with.

        Raises ValueError, with what `windrow query` says of it, for what is no question or takes too much.
        """
        seconds = self.limits.seconds or SECONDS_OF_OTHERS
        limits = ("--memory", f"{self.limits.memory:g}", "--seconds", f"{seconds:g}", "--threads")
        options = (*limits, str(self.limits.threads), "--out", str(to), *(("--run", run_id) if run_id else ()))
        if self.limits.answer is not None:
            options = (*options, "--answer-size", f"{self.limits.answer:g}")
        await self.words("query", options, [sql], seconds + SECONDS_BESIDE, to.parent)

    async def words(
        self,
        command: str,
        options: Sequence[str],
        arguments: Sequence[str],
        seconds: float = SECONDS_OF_OTHERS,
        scratch: Path | None = None,
    ) -> str:
        """Return what a command of `windrow` prints about the store. Raises ValueError with its error in a line.

        `scratch`: where its temporary files go, which it leaves when it is killed; by default the system's place.
        """
        for text in (*options, *arguments):
            if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > LONGEST:
                raise ValueError(f"a question is text without NUL, of {LONGEST:,} bytes at most")
        line = [sys.executable, "-c", COMMAND, command, "--store", str(self.store), *options, "--", *arguments]
        async with self.turns:
            with _lifeline() as reading:
                return await self._said(line, reading, seconds, scratch or Path(tempfile.gettempdir()))

    async def _said(self, line: Sequence[str], reading: int, seconds: float, scratch: Path) -> str:
        process = await asyncio.create_subprocess_exec(
            *line,
            stdin=reading,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160", "TMPDIR": str(scratch)},
        )
        try:
            said, complained = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            raise ValueError(f"took longer than {seconds:g} s") from None
        finally:
            if process.returncode is None:  # too slow, or nobody waits any more
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise ValueError(_last_words(complained.decode(errors="replace"), process.returncode))
        return said.decode(errors="replace")


@contextmanager
def _lifeline() -> Iterator[int]:
    """The reading end of a pipe whose other end this process has; each command has its own: a pipe tells one only."""
    ends = os.pipe()
    try:
        yield ends[0]
    finally:
        for end in ends:
            os.close(end)


def _last_words(complained: str, code: int) -> str:
    told = re.split(r"^error: ", complained, flags=re.M)[-1].strip()
    return told or f"ended with code {code}"
