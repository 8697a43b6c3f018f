"""What goes to a sandbox and comes back: a head that says how long the parts are, then the parts, none of them joined.

A picture is copied twice on its way: into the kernel and out of it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

_COUNT = struct.Struct("<I")


def send(connection: Connection, head: bytes, parts: Sequence[bytes | memoryview]) -> None:
    """Send a message. Raises OSError when the other side is gone."""
    left = [memoryview(part).cast("B") for part in parts]
    lengths = struct.pack(f"<{len(left)}Q", *map(len, left))
    connection.send_bytes(b"".join((_COUNT.pack(len(left)), lengths, head)))
    left = [view for view in left if len(view)]
    while left:
        n_sent = os.writev(connection.fileno(), left)
        while left and n_sent >= len(left[0]):
            n_sent -= len(left.pop(0))
        if n_sent:
            left[0] = left[0][n_sent:]


def receive(connection: Connection, known: Callable[[int], None] | None = None) -> tuple[bytes, list[memoryview]]:
    """Wait for a message; `known` is told how many bytes its parts have once they are here.

    Raises EOFError or OSError when the other side is gone.
    """
    message = connection.recv_bytes()
    (n_parts,) = _COUNT.unpack_from(message)
    lengths = struct.unpack_from(f"<{n_parts}Q", message, _COUNT.size)
    space = memoryview(bytearray(sum(lengths)))
    n_read = 0
    while n_read < len(space):
        n_more = os.readv(connection.fileno(), [space[n_read:]])
        if not n_more:
            raise EOFError
        n_read += n_more
    if known is not None:
        known(n_read)
    parts, start = [], 0
    for length in lengths:
        parts.append(space[start : start + length])
        start += length
    return message[_COUNT.size + 8 * n_parts :], parts
