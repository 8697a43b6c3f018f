"""The life of a sandbox's process: answer for one image after another, within limits that the kernel keeps."""

from __future__ import annotations

import functools
import json
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from windrow.tasks.lifeline import die_with
from windrow.tasks.pictures.machine_memory import MachineMemory, decoding_slots, share_memory
from windrow.tasks.pictures.messages import receive, send
from windrow.tasks.pictures.opening import UnreadableImage

EXIT_NO_MEMORY = 86
MAX_ANSWER = 4096


def serve(descriptor: int, line: int) -> NoReturn:
    """Take the task from an inherited connection, then answer images until its other end closes.

    `line` is the reading end of a pipe that nothing is written to: it closes when the parent dies.
    """
    die_with(line)
    connection = Connection(descriptor)
    function, args, seconds, memory_bytes = pickle.loads(connection.recv_bytes())  # noqa: S301  our own parent wrote it
    memory = _set_limits(memory_bytes)
    try:
        send(connection, b"ready", ())
        while True:
            more, images = _received(connection, memory)
            said: list[str] = []
            pixels: list[Pixels] = []
            while images:
                # By default the signal ends the process, in the middle of a decoder's loop too.
                signal.setitimer(signal.ITIMER_REAL, seconds)
                said.append(answer(function, (*args, *_unpickled(more)), bytes(images.pop(0)), pixels))
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, f"[{','.join(said)}]".encode(), [one.data for one in pixels])
    except MemoryError:  # while it took the bytes; the rest of them is still on its way
        os._exit(EXIT_NO_MEMORY)
    except (EOFError, OSError):
        os._exit(0)


def _received(connection: Connection, memory: MachineMemory | None) -> tuple[bytes, list[memoryview]]:
    if memory is None:
        return receive(connection)
    memory.while_receiving()
    return receive(connection, memory.hold)


@functools.lru_cache(8)
def _unpickled(more: bytes) -> tuple[Any, ...]:
    unpickled: tuple[Any, ...] = pickle.loads(more) if more else ()  # noqa: S301  our own parent wrote it
    return unpickled


@dataclass(frozen=True)
class Pixels:
    """An array of bytes that a picture became, in the order of its last axis."""

    shape: tuple[int, ...]
    data: bytes | memoryview


@dataclass(frozen=True)
class Seen:
    """What a picture is, and each of what was made of it: an array, or the reason why there is none."""

    facts: Any
    made: tuple[Pixels | str, ...]


def answer(function: Callable[..., Any], args: tuple[Any, ...], data: bytes, pixels: list[Pixels]) -> str:
    """Call the function and say in JSON what came of it: [kind, value].

    Kinds: facts, reason, no memory, error, and pixels, whose value is their shape; they go into `pixels`. Of `seen` the
    value is the facts, and the shape or the reason of each that was made.
    """
    try:
        found = function(data, *args)
        if isinstance(found, Pixels):
            pixels.append(found)
            return json.dumps(("pixels", found.shape))
        made = found.made if isinstance(found, Seen) else ()
        seen = ("seen", (found.facts, [_told(one) for one in made])) if isinstance(found, Seen) else ("facts", found)
        said = json.dumps(seen, default=vars)
        if len(said) > MAX_ANSWER:
            raise ValueError(f"the facts are {len(said)} characters of JSON, more than {MAX_ANSWER}")
        pixels += [one for one in made if isinstance(one, Pixels)]
    except Exception as error:
        said = json.dumps(_failure(error))
    return said


def _told(made: Pixels | str) -> tuple[int, ...] | str:
    return made if isinstance(made, str) else made.shape


def _failure(error: BaseException) -> tuple[str, str]:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return "no memory", ""
        cause = cause.__cause__
    if isinstance(error, UnreadableImage):
        return "reason", error.reason
    return "error", "".join(traceback.format_exception(error))[-MAX_ANSWER // 8 :]


def _set_limits(memory_bytes: int) -> MachineMemory | None:
    import resource

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    slots = decoding_slots()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    mapped = Path("/proc/self/statm")
    if mapped.exists():  # Linux; macOS does not keep this limit
        base = int(mapped.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = base + memory_bytes if hard == resource.RLIM_INFINITY else min(base + memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return share_memory(slots, base, memory_bytes)
    return None
