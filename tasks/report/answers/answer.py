"""What an answer of the report is: facts for the template of its name, and galleries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from windrow.tasks.report.cited import Asked
from windrow.tasks.report.gallery import Gallery
from windrow.tasks.storage.store.run_records import Run


@dataclass(frozen=True)
class Reported:
    """A run that is reported on: `ask` keeps what an answer asks; the same `seed` draws the same samples."""

    run: Run
    ask: Asked
    seed: int

    @property
    def salt(self) -> str:
        """What samples are drawn by, with their ids."""
        return str(self.seed)


@dataclass(frozen=True)
class Answer:
    """Facts by the names that a template has for them, and the galleries that it shows, by theirs."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    galleries: Mapping[str, Gallery] = field(default_factory=dict)
