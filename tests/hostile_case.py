"""A hostile input and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

READ = "read: 40 x 30 RGB PNG"


@dataclass(frozen=True)
class Hostile:
    """A file named `name`; `outcome` is what `told` says of each of its occurrences, by key where there are several."""

    what: str
    name: str
    make: Callable[[], bytes]
    outcome: str
