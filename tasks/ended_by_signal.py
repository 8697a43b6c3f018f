"""Signals that end a run: Ctrl-C, SIGTERM and SIGHUP, each once, as an exception that says which it was."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_seen: list[int] = []
_unraisable = sys.__unraisablehook__
"""What tells of other exceptions that nobody can catch."""


class EndedBySignal(KeyboardInterrupt):
    """This process was told to end."""


def heed_signals(*numbers: signal.Signals) -> None:
    """Let these signals raise EndedBySignal in the main thread, from which this is called; elsewhere it does nothing.

    One that is ignored stays so, as a script's background processes ignore Ctrl-C. Where one arrives in code that lets
    no exception out (a destructor, a callback of a library in C), it is noted for `signal_seen`, and not printed.
    """
    global _unraisable
    if threading.current_thread() is threading.main_thread():
        if sys.unraisablehook is not _unless_told_to_end:
            _unraisable, sys.unraisablehook = sys.unraisablehook, _unless_told_to_end
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _raise)


def _raise(number: int, frame: object) -> None:  # noqa: ARG001  (Python's signature)
    note_signal(number)
    raise EndedBySignal(name_of(number))


def _unless_told_to_end(unraisable: UnraisableHookArgs) -> None:
    if not isinstance(unraisable.exc_value, EndedBySignal):
        _unraisable(unraisable)


def note_signal(number: int) -> None:
    """Remember that this process was told to end."""
    _seen.append(number)


def signal_seen() -> int | None:
    """Return the signal that told this process to end; code in which it arrived may have taken it for its own error."""
    return _seen[0] if _seen else None


def name_of(number: int) -> str:
    """Return a signal's name."""
    return signal.Signals(number).name


def how_it_ended(error: BaseException) -> str:
    """Say of a run what ended it: a signal, whatever error that led to, or the error."""
    if (number := signal_seen()) is not None:
        return f"ended by {name_of(number)}"
    if isinstance(error, KeyboardInterrupt):
        return "ended by SIGINT"
    if type(error).__name__ == "TerminationSignal":  # of Prefect, which heeds SIGTERM while a flow runs
        return "ended by SIGTERM"
    return f"{type(error).__name__}: {error}"
