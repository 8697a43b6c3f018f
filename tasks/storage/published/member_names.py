"""The names of the files that travel with a sample, such that every reader of tars gets past them.

`webdataset`, `datasets` and `ray` decode a member by the last part of its extension, and one that does not decode
ends the whole read. So what would not decode has SOURCE for a last part, which no decoder knows, and so has what would
not be alone under its name. The decoders are those of webdataset's `autodecode`; the others took over parts of them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

SOURCE = "source"
MOST_BYTES = 64 * 2**20
"""Of what a compressed member or an array may unpack to, for its reader."""
MOST_DEPTH = 100
LONGEST = 150
"""Bytes of an extension; with an id before it, what becomes of it in a reader, and no file system takes over 255."""

TEXTS = frozenset({"txt", "text", "transcript"})
INTEGERS = frozenset({"cls", "cls2", "index", "inx", "id", "class", "count"})
JSONS = frozenset({"json", "jsn"})
IMAGES = frozenset(
    """
    blp bmp dib bufr cur pcx dcx dds ps eps fit fits fli flc ftc ftu gbr gif grib h5 hdf png apng jp2 j2k jpc jpf jpx
    j2c icns ico im iim tif tiff jfif jpe jpg jpeg mpg mpeg msp pcd pxr pbm pgm ppm pnm psd bw rgb rgba sgi ras tga icb
    vda vst webp wmf emf xbm xpm
    """.split()  # noqa: SIM905
)
NEVER = frozenset(("pkl", "pickle", "pyd", "pth", "pt", "mp", "msg", "cbor", "ten", "tb", "lz4", "zst"))
"""Pickles run what they hold when they are read; the others need modules that a reader may lack, or decode anything."""
_UNPACK: Mapping[str, Callable[..., Any]] = {
    "gz": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    "lzma": lzma.open,
}


def member_names(
    members: Mapping[str, bytes], taken: Collection[str], is_image: Callable[[bytes], bool]
) -> dict[str, str]:
    """Return the extension under which each file that came with a sample lies beside it, by its own, in their order.

    It is its own, unless that is one of `taken` or of an earlier file (readers do not tell upper from lower case), or
    readers would decode it and fail; then SOURCE comes behind it. `is_image` says whether bytes are a picture that
    Pillow makes RGB. Characters that no member may have, and a `__` in front, with which readers mark fields of their
    own, become `_`; of more than LONGEST bytes the end is kept.
    """
    return free_names({each: _read_past(each, data, is_image) for each, data in members.items()}, taken)


def free_names(wanted: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """Return names that no two files share and none of `taken` is, by what the files are called, in their order."""
    named: dict[str, str] = {}
    used = {name.lower() for name in taken}
    for extension, wish in wanted.items():
        name = _plain(wish)
        while name.lower() in used:
            name = f"{name}.{SOURCE}"
        used.add(name.lower())
        named[extension] = name
    return named


def _read_past(extension: str, data: bytes, is_image: Callable[[bytes], bool]) -> str:
    return extension if decodes(_plain(extension), data, is_image) else f"{_plain(extension)}.{SOURCE}"


def _plain(extension: str) -> str:
    name = "".join("_" if char in "/\\" or not char.isprintable() else char for char in extension)
    name = name.encode()[-LONGEST:].decode(errors="ignore")
    return "_" + name.lstrip("_") if name.startswith("__") else name or SOURCE


def decodes(name: str, data: bytes, is_image: Callable[[bytes], bool]) -> bool:
    """Say whether a reader that decodes members by their name gets past these bytes."""
    rest, _, last = name.lower().rpartition(".")
    try:
        if last in _UNPACK:
            inner = rest.rpartition(".")[2]
            return inner not in _UNPACK and decodes(inner, _unpacked(last, data), lambda _: False)
        return last not in NEVER and (last not in IMAGES or is_image(data)) and _parses(last, data)
    except Exception:  # whatever a decoder raises on data of strangers
        return False


def _parses(last: str, data: bytes) -> bool:
    if last in TEXTS:
        data.decode("utf-8")
    elif last in INTEGERS:
        return -(2**63) <= int(data.decode("utf-8")) < 2**63
    elif last in JSONS:
        return not _is_deep(json.loads(data))
    elif last == "npy":
        _check_array(io.BytesIO(data), len(data))
    elif last == "npz":
        _check_arrays(data)
    return True


def _is_deep(value: object) -> bool:
    """Whether a reader that is called from far below may run out of stack over it."""
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
    return bool(level)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_array(file: io.BytesIO, n_bytes: int) -> None:
    """Raise when it is no array, or claims more than there is: NumPy takes the memory before it reads."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read_header(file)
    if int(np.prod(np.array(shape, dtype=object))) * kind.itemsize > n_bytes:
        raise ValueError("is cut short")
    file.seek(0)
    np.lib.format.read_array(file, allow_pickle=False)


def _check_arrays(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(each.file_size for each in archive.infolist()) > MOST_BYTES:
            raise ValueError("unpacks to too much")
        for each in archive.infolist():
            inner = archive.read(each)
            if each.filename.endswith(".npy"):
                _check_array(io.BytesIO(inner), len(inner))


def _unpacked(kind: str, data: bytes) -> bytes:
    with _UNPACK[kind](io.BytesIO(data)) as file:
        unpacked: bytes = file.read(MOST_BYTES + 1)
    if len(unpacked) > MOST_BYTES:
        raise ValueError("unpacks to too much")
    return unpacked
