"""Compressed tars, unpacked: inside one nothing can be found again without reading all that comes before."""

from __future__ import annotations

import lzma
from contextlib import nullcontext
from pathlib import Path
from tarfile import BLOCKSIZE
from typing import Any, BinaryIO

import pyarrow as pa

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4")
PIECE = 2**20
DAMAGED = "truncated or damaged compressed tar"
MOST_RATIO = 100  # images hardly shrink, so more than this many bytes from one is made to fill a disk,
LEAST_BYTES = 2**26  # and not just a small tar with much padding

_STARTS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}


def is_compressed(file: BinaryIO) -> bool:
    """Say whether a file starts as gzip, zstd, bzip2, xz or lz4 do, whatever its name."""
    return _compression(file) is not None


def unpack(file: BinaryIO, to: Path) -> str | None:
    """Write what is in a file, decompressed if it is compressed, to a new file; return why it ends early, if it does.

    Raises OSError when a disk or the network fails.
    """
    most = max(MOST_RATIO * file.seek(0, 2), LEAST_BYTES)
    with to.open("xb") as out:
        reason = _decompress(file, out, most, PIECE)
        if reason == DAMAGED:
            # A read that fails returns nothing of what came before the damage, so the last one is made again in steps.
            reason = _decompress(file, out, most, BLOCKSIZE)
    return reason


def _decompress(file: BinaryIO, out: BinaryIO, most: int, step: int) -> str | None:
    """Go on after what has been written already."""
    done, seen = out.tell(), 0
    with _decompressed(file, _compression(file)) as stream:
        while True:
            try:
                piece = stream.read(min(PIECE, done - seen) if seen < done else step)
            except (EOFError, lzma.LZMAError, pa.ArrowException):
                return DAMAGED
            except OSError as error:
                if error.errno is not None:
                    raise
                return DAMAGED
            if not piece:
                return None
            seen += len(piece)
            if seen > most:
                return f"decompression bomb: more than {most} bytes"
            if seen > done:
                out.write(piece)


def _compression(file: BinaryIO) -> str | None:
    file.seek(0)
    start = file.read(6)
    return next((name for magic, name in _STARTS.items() if start.startswith(magic)), None)


def _decompressed(file: BinaryIO, compression: str | None) -> Any:
    file.seek(0)
    if compression is None:
        return nullcontext(file)
    if compression == "xz":
        return lzma.open(file)
    return pa.CompressedInputStream(pa.PythonFile(_Open(file), "r"), compression)


class _Open:
    """A file that stays open when Arrow closes what reads from it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def close(self) -> None:
        self.closed = True
