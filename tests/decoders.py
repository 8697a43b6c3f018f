"""What a sandbox runs in tests: a decoder that does what its image tells it to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from windrow.tasks.pictures.decoding import UnreadableImage

_HELD: list[bytearray] = []


def obey(data: bytes, place: str = "") -> dict[str, Any]:
    """Return the number of bytes and the process, or end in the way that the data names."""
    word = data.split(b" ")[0].decode()
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == "abort":
        os.abort()
    elif word == "exit":
        os._exit(3)
    elif word == "loop":
        while True:
            pass
    elif word == "sleep":
        while True:
            time.sleep(60)
    elif word == "hoard":
        while True:
            _HELD.append(bytearray(2**26))
    elif word == "keep":  # what a library's cache or a fragmented heap does to the images after it
        _HELD.append(bytearray(int(data.split(b" ")[1])))
    elif word == "need":
        bytearray(int(data.split(b" ")[1]))
    elif word == "write":
        (Path(place) / "written").write_bytes(b"x")
    elif word == "poison":
        _HELD.append(bytearray())
    elif word == "poisoned" and _HELD:
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == "unreadable":
        raise UnreadableImage("says so itself")
    elif word == "bug":
        raise KeyError("a defect")
    elif word == "long":
        return {"text": "x" * 10_000}
    return {"n_bytes": len(data), "pid": os.getpid()}
