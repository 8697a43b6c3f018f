"""The lines of a text file of the user's, whichever way it is encoded; what is not as it says is named."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = {b"PK\x03\x04": "a zip or a spreadsheet (.xlsx)", b"\x1f\x8b": "compressed", b"\xd0\xcf\x11\xe0": "an .xls"}
NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32"}


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines with their ends (LF, CRLF or CR): UTF-8, or UTF-16 or UTF-32 that begins with its mark.

    Raises ValueError naming the file, and the line and byte (from 1) that does not decode.
    """
    encoding = _encoding(path)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
        try:
            yield from file
        except UnicodeError:
            raise ValueError(f"{path}{_where(path, encoding)}") from None


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, what in _NO_TEXT.items():
        if start.startswith(mark):
            raise ValueError(f"{path} is {what}, and no text: save it as CSV")
    encoding = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in start.partition(b"\n")[0]:
        raise ValueError(f"{path}, line 1 holds zero bytes: UTF-16 must begin with its byte order mark")
    return encoding


def _where(path: Path, encoding: str) -> str:
    """The first line that does not decode, and the byte of the file, both from 1."""
    data = path.read_bytes()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        byte = f"byte {error.start + 1} (0x{data[error.start]:02x})" if error.start < len(data) else "its end"
        also = "; is it Latin-1? Save it as UTF-8" if encoding == "utf-8" else ""
        return f", line {line}: {byte} is not {NAMES[encoding]}{also}"
    return f" is not {NAMES[encoding]}"
