"""The columns that a file of the user's must have, and where they are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from windrow.schemas.texts.label_text import strip


@dataclass(frozen=True)
class Wanted:
    """What is read of a file: `needed`, one or more of `one_of`, and `also` where they are there. Lower case."""

    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def fits(self, names: Sequence[str]) -> bool:
        """Say whether a header has what is wanted."""
        there = set(map(plain_name, names))
        return there.issuperset(self.needed) and (not self.one_of or not there.isdisjoint(self.one_of))

    def places(self, names: Sequence[str]) -> dict[str, int]:
        """Return where each wanted column is. Raises ValueError when one is missing, or there twice."""
        if not self.fits(names):
            raise ValueError(f"wants {self}; it has {', '.join(shown_name(name) for name in names) or 'none'}")
        found: dict[str, int] = {}
        for place, name in enumerate(names):
            plain = plain_name(name)
            if plain in found:
                raise ValueError(f"has two columns {plain}: {names[found[plain]]!r} and {name!r}")
            if plain in (*self.needed, *self.one_of, *self.also):
                found[plain] = place
        return found

    def __str__(self) -> str:
        words = " and ".join(filter(None, [", ".join(self.needed), " or ".join(self.one_of)]))
        return f"column{'s' if ' ' in words else ''} {words}"


def plain_name(name: str) -> str:
    """A column's name without blanks around it, in lower case."""
    return strip(name).casefold()


def shown_name(name: str) -> str:
    return repr(name) if strip(name) else "one without a name"
