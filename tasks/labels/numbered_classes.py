"""Numbers that stand for classes: in a file of labels they get the names that the pool's sources give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from windrow.tasks.storage.user_files.user_file import UserFile

_NAMES = "SELECT DISTINCT number, name FROM class_names ORDER BY ALL"


def name_numbers(file: UserFile, labels: Sequence[str | None], connection: Any) -> list[str | None]:
    """Return distinct labels with the names of numbers in their place, by the file itself or else by the catalog.

    What is the name of a class stays, also where it is a number; -1 is no label, as `datasets` spells it. Where nobody
    names numbers, all stay. Raises ValueError for a number that no class has, or that sources give different names.
    """
    own = enumerate(file.class_names) if file.class_names else connection.execute(_NAMES).fetchall()
    names: dict[str, list[str]] = {}
    for number, name in own:
        names.setdefault(str(number), []).append(name)
    if not names:
        return list(labels)
    known = {name for each in names.values() for name in each}
    return [_named(file, label, names) if _is_number(label) and label not in known else label for label in labels]


def _is_number(label: str | None) -> bool:
    return label is not None and label.isascii() and label.removeprefix("-").isdigit()


def _named(file: UserFile, label: str | None, names: dict[str, list[str]]) -> str | None:
    if label is None or label == "-1":
        return None
    found = names.get(label, [])
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{file.path}: label {label} is {found[0]!r} in one source and {found[1]!r} in another")
    raise ValueError(
        f"{file.path}: label {label} is no number of a class: the sources name {len(names):,}, from 0. Write names"
    )
