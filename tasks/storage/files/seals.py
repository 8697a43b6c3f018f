"""Seals: a file that holds the SHA-256 of its own bytes, so that it can be checked without another file beside it.

The seal is the digest of the file with the 64 digits of the seal itself replaced by zeros. It covers every byte, the
layout of the text included. It finds accidents, not forgers: who changes a file on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

FIELD = "seal"
_ZEROS = "0" * 64
_TAIL = 2**16  # a seal is the last field of a JSON file, or in the last part of a Parquet file's footer
_PIECE = 2**20

EMPTY_SEAL = {"windrow.seal": _ZEROS}
"""Metadata of the schema of a Parquet table that `seal_file` is to seal."""

# As JSON with an indent of 1 puts the last field, and as Thrift puts a key and a text of 64 letters.
_MARKS = (f'\n "{FIELD}": "'.encode(), b"windrow.seal\x18\x40")


def sealed_json(values: Mapping[str, Any], *, ensure_ascii: bool = True) -> str:
    """Return `values` as the text of a JSON file, in their order, with a seal as the last field."""
    text = json.dumps({**values, FIELD: _ZEROS}, indent=1, ensure_ascii=ensure_ascii) + "\n"
    before, _, after = text.rpartition(_ZEROS)
    return f"{before}{hashlib.sha256(text.encode()).hexdigest()}{after}"


def read_sealed(path: Path) -> dict[str, Any]:
    """Return the values of a JSON file without its seal, which is not looked at: see `broken_seal`.

    Raises ValueError, naming the file, when it holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON, or of UTF-8
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    values.pop(FIELD, None)
    return values


def seal_file(path: Path) -> None:
    """Seal a Parquet file that was written with EMPTY_SEAL in its metadata. Raises ValueError when it has no place."""
    with path.open("r+b") as file:
        place = _find(file)
        if place is None:
            raise ValueError(f"{path}: has no place for a seal in its metadata")
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest)


def broken_seal(path: Path) -> str | None:
    """Return what is wrong with the seal of a file, in words; None when the file is as it was sealed.

    Reads the file in pieces. Raises OSError when it cannot be read.
    """
    with path.open("rb") as file:
        place = _find(file)
        if place is None:
            return "has no seal, so it is cut short, or damaged, or was never sealed"
        file.seek(place)
        found = file.read(len(_ZEROS))
        return None if found == _digest(file, place) else "is not as it was written: its bytes do not fit its seal"


def seal_of(path: Path) -> str:
    """Return the seal of a file, unchecked: it names the file's content. Raises ValueError when it has none."""
    with path.open("rb") as file:
        place = _find(file)
        if place is None:
            raise ValueError(f"{path} is damaged: it has no seal")
        file.seek(place)
        return file.read(len(_ZEROS)).decode("ascii", "replace")


def _find(file: BinaryIO) -> int | None:
    """Return where the digits of the seal are."""
    start = max(0, file.seek(0, 2) - _TAIL)
    file.seek(start)
    tail = file.read()
    ends = [tail.rfind(mark) + len(mark) for mark in _MARKS if mark in tail]
    return start + max(ends) if ends and max(ends) + len(_ZEROS) <= len(tail) else None


def _digest(file: BinaryIO, place: int) -> bytes:
    """Return the digits that belong at `place`."""
    digest = hashlib.sha256()
    file.seek(0)
    for until in (place, None):
        while piece := file.read(_PIECE if until is None else min(_PIECE, until - file.tell())):
            digest.update(piece)
        if until is not None:
            digest.update(_ZEROS.encode())
            file.seek(place + len(_ZEROS))
    return digest.hexdigest().encode()
