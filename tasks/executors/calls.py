"""How a call travels to a worker and its outcome back: the same bytes, whatever carries them."""

from __future__ import annotations

import copyreg
import io
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from windrow.tasks.executors.executor import Broadcast


@dataclass(frozen=True)
class Call:
    """A call on its way to a worker.

    `payload`: the pickled function and arguments. `sources`: where to fetch the broadcast values among them, by token.
    `live`: the tokens of all values still in use; a worker forgets the others.
    """

    payload: bytes
    sources: Mapping[int, Any]
    live: frozenset[int]


def pack(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bytes, list[Broadcast]]:
    """Pickle a call, and list the broadcasts in its arguments. Raises ValueError for a function of `__main__`."""
    if getattr(function, "__module__", None) == "__main__":
        raise ValueError(f"function: wants one of an importable module, got {function!r} of the main script")
    found: list[Broadcast] = []

    def leave_out(broadcast: Broadcast) -> tuple[Callable[[int], Any], tuple[int]]:
        found.append(broadcast)
        return _recall, (broadcast.token,)

    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=5)
    reducers: dict[type, Callable[[Any], Any]] = {**copyreg.dispatch_table, Broadcast: leave_out}
    pickler.dispatch_table = reducers
    pickler.dump((function, args))
    return stream.getvalue(), found


def unpack(outcome: bytes) -> Any:
    """Return what a worker's function returned, or raise what it raised."""
    succeeded, result = pickle.loads(outcome)  # noqa: S301  our own worker wrote it
    if succeeded:
        return result
    raise result


_broadcasts: dict[int, Any] = {}


def _recall(token: int) -> Any:
    return _broadcasts[token]


def answer(call: Call, fetch: Callable[[Any], Any]) -> bytes:
    """In a worker: run a call and pickle its outcome. `fetch` gets a broadcast value from its source."""
    for token in _broadcasts.keys() - call.live:
        del _broadcasts[token]
    try:
        for token in call.sources.keys() - _broadcasts.keys():
            _broadcasts[token] = fetch(call.sources[token])
        function, args = pickle.loads(call.payload)  # noqa: S301  our own parent wrote it
        return pickle.dumps((True, function(*args)), protocol=5)
    except BaseException as error:
        return _pickled_error(error)


def _pickled_error(error: BaseException) -> bytes:
    trace = "In a worker:\n" + "".join(traceback.format_exception(error))
    if isinstance(error, Exception):  # SystemExit or KeyboardInterrupt would end the caller's thread
        try:
            error.add_note(trace)
            outcome = pickle.dumps((False, error), protocol=5)
            # many an exception pickles and then cannot be made again from its args
            if type(pickle.loads(outcome)[1]) is type(error):  # noqa: S301  written the line before
                return outcome
        except Exception:  # whatever its pickling raises, its text must reach the caller
            pass
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    plain.add_note(trace)
    return pickle.dumps((False, plain), protocol=5)
