"""The words of a command of the user's, with places for what each run of it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

PLACE = re.compile(r"\{(\w+)\}")
NEEDED = ("train", "held_out", "predictions")
IMAGES, SEED = "images", "seed"
KNOWN = (*NEEDED, IMAGES, SEED)


def check_command(command: Sequence[str]) -> None:
    """Raise ValueError, naming the setting, where a command lacks a place that it needs, or has an unknown one."""
    if len(command) == 1 and " " in command[0].strip():
        raise ValueError(f"command: wants a list of words, such as [python, train.py, ...], got {command[0]!r}")
    found = places_of(command)
    unknown = sorted(found - set(KNOWN))
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in KNOWN)
        raise ValueError(f"command: there is no {{{unknown[0]}}} to put in its place; known are {known}")
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ValueError(f"command: wants {{{missing[0]}}} among its words, got {list(command)}")


def places_of(command: Sequence[str]) -> set[str]:
    """The names of the places in a command."""
    return {name for word in command for name in PLACE.findall(word)}


def put_in(command: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The command with what is given in its places."""
    return [PLACE.sub(lambda found: given[found[1]], word) for word in command]


def command_files(command: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each word that is a file, such as a script: a command is another when they change."""
    from windrow.tasks.storage.files.whole_or_absent import file_digest  # pyarrow is not for who only reads a config

    return {word: file_digest(Path(word)) for word in command if not PLACE.search(word) and Path(word).is_file()}
