"""The body of a response, read within limits that hold for what arrives and for what it decompresses to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from windrow.tasks.fetching.reasons import TRUNCATED


class RefusedBodyError(Exception):
    """The body is not read to its end; the message says why."""


def read_body(chunks: Iterable[bytes], headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Return a whole body, decompressed where the server compressed it, though it was asked not to.

    Raises RefusedBodyError when it is larger than `max_bytes` before or after, damaged, or encoded otherwise than by
    gzip.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:  # a reason to refuse, never one to believe
        raise RefusedBodyError(too_large(max_bytes))
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return b"".join(_limited(chunks, max_bytes))
    if encoding not in ("gzip", "x-gzip"):
        raise RefusedBodyError(f"content encoding {encoding[:40]} is not read")
    return _decompressed(_limited(chunks, max_bytes), max_bytes)


def too_large(max_bytes: int) -> str:
    """Return the reason for a body that is over the limit."""
    return f"too large: more than {max_bytes} bytes"


def _limited(chunks: Iterable[bytes], max_bytes: int) -> Iterable[bytes]:
    n_bytes = 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > max_bytes:
            raise RefusedBodyError(too_large(max_bytes))
        yield chunk


def _decompressed(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    data = bytearray()
    for chunk in chunks:
        try:
            data += decoder.decompress(chunk, max_bytes + 1 - len(data))
        except zlib.error:
            raise RefusedBodyError("damaged gzip encoding") from None
        if len(data) > max_bytes:
            raise RefusedBodyError(too_large(max_bytes))
        if decoder.unused_data:
            raise RefusedBodyError("damaged gzip encoding")
    if not decoder.eof:
        raise RefusedBodyError(TRUNCATED)
    return bytes(data)
