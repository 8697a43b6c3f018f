"""What a store spends its bytes on: each file once, by the first of its places."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512  # of st_blocks, whatever the file system's own
FIRST = "curated"  # a version is what users keep: its hard links are counted there
BY_TWO = {"curated": 3, "outputs": 2}
"""Folders whose parts are told apart, and how many names of a path tell which."""


@dataclass(frozen=True)
class Spent:
    """Files of a place below a store, as in 'outputs/features', and their bytes on disk."""

    place: str
    n_files: int
    n_bytes: int


def disk_usage(store: Path) -> list[Spent]:
    """Return what each place of a store takes, the most first.

    A file with several names (hard links) counts once, in a version where it has a name there. What is taken away
    meanwhile does not count.
    """
    seen: set[tuple[int, int]] = set()
    found: dict[str, list[int]] = {}
    for place, status in _files(store):
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        spent = found.setdefault(place, [0, 0])
        spent[0] += 1
        spent[1] += status.st_blocks * BLOCK
    return sorted(
        (Spent(place, *spent) for place, spent in found.items()), key=lambda each: (-each.n_bytes, each.place)
    )


def _files(store: Path) -> Iterator[tuple[str, os.stat_result]]:
    for top in sorted(store.iterdir(), key=lambda path: (path.name != FIRST, path.name)):
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    yield _place(path.relative_to(store).parts), path.lstat()
        if not top.is_dir():
            with suppress(FileNotFoundError):
                yield top.name, top.lstat()


def _place(parts: tuple[str, ...]) -> str:
    return "/".join(parts[: min(BY_TWO.get(parts[0], 1), len(parts) - 1)])
