"""The scans of a JPEG, to tell a hole of zeros from a flat picture, and which kind of JPEG it is (ITU-T T.81, B)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_DRIFT = 1024
"""Bytes after which levels that sink with every block would have left their range."""


def segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, its parameters, where they end) up to the end mark; what lies between them is coded pixels."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        marker = data[place + 1]
        if marker == 0xFF or marker == 0 or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            return
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = place + 2 + max(length, 2)
        yield marker, data[place + 4 : end], end
        place = end
        if marker == 0xDA:
            found = _END_OF_SCAN.search(data, end)
            place = found.start() if found else len(data)


def has_hole(data: bytes, size: int) -> bool:
    """Say whether a scan has `size` zeros in a row that cannot be those of a flat region.

    The first code of a Huffman table is all zeros. Where it says 'the mean of the block before' in a table of means,
    and 'nothing else in this block' in one of frequencies, zeros are what a flat region is written as, and may be many.
    A scan that adds a bit to every mean is written without codes, and is not judged. A scan of frequencies alone counts
    its empty blocks instead of writing 'nothing else' for each.
    """
    first: dict[int, int] = {}
    is_arithmetic = False
    for marker, parameters, end in segments(data):
        is_arithmetic |= marker in _ARITHMETIC
        if marker == 0xC4:
            first |= _first_symbols(parameters)
        if marker == 0xDA and (needed := size if is_arithmetic else _zeros_needed(parameters, first, size)):
            found = _END_OF_SCAN.search(data, end)
            if data.find(bytes(needed), end, found.start() if found else len(data)) >= 0:
                return True
    return False


def frame_kind(data: bytes) -> tuple[int, int, int] | None:
    """Return (marker of the frame, bits a sample, components), None where there is no frame."""
    for marker, parameters, _ in segments(data):
        if (marker in _START_OF_FRAME or marker == 0xF7) and len(parameters) >= 6:
            return marker, parameters[0], parameters[5]
    return None


def _first_symbols(tables: bytes) -> dict[int, int]:
    """Return the symbol of the code of zeros, for each table (its class times 16 and its number)."""
    found = {}
    while len(tables) > 17:
        n_symbols = sum(tables[1:17])
        found[tables[0]] = tables[17]
        tables = tables[17 + n_symbols :]
    return found


def _zeros_needed(scan: bytes, first: dict[int, int], size: int) -> int:
    """Return how many zeros in a row are a hole, 0 where any number may be right."""
    n_components = scan[0] if scan else 0
    if len(scan) < 4 + 2 * n_components:
        return 0
    begin, end, approximation = scan[1 + 2 * n_components :][:3]
    tables = scan[2 : 2 + 2 * n_components : 2]
    is_refining = approximation >> 4 > 0
    if begin > 0:
        return 4 * size if is_refining else size  # it may write some hundred bits that happen to be alike
    if is_refining:
        return 0
    means = [first.get(table >> 4, 0) for table in tables]
    others = [first.get(16 + (table & 15), 0) for table in tables] if end > 0 else []
    if any(symbol & 15 or symbol == 0xF0 for symbol in others):
        return size
    return max(size, _DRIFT) if any(means) else 0
