"""How a command ends that is told to end: in a line, in time, and with what became of its run written down.

An exception in the main thread does it, where that is free to take one. Where it is not (a long call, a library that
waits), a thread that the kernel wakes ends the process a moment later; its workers and its server end with it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress

from windrow.flows.commands.limited_memory import lift_limit
from windrow.tasks.ended_by_signal import ENDING, heed_signals, name_of, note_signal

SECONDS = {signal.SIGINT: 2.0, signal.SIGTERM: 6.0, signal.SIGHUP: 6.0}
"""How long a command may take to end by itself."""

_told = threading.Event()
_only_answers = threading.Event()


def end_in_time() -> None:
    """Heed the signals that end a command, from now on."""
    if threading.current_thread() is not threading.main_thread():
        return
    heed_signals(*ENDING)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(reading,), name="last word", daemon=True).start()


def _wait(reading: int) -> None:
    """Wait for the first signal that ends, then for the command; a thread begun now might get no memory."""
    deadline, told = None, 0
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reading], [], [], left)[0]:
            _end(told)
        lift_limit()
        for number in os.read(reading, 64):
            if number in SECONDS and signal.getsignal(number) is not signal.SIG_IGN:
                note_signal(number)  # also where a library has put its own handler in the place of ours
                until = time.monotonic() + SECONDS[signal.Signals(number)]
                if deadline is None or until < deadline:
                    deadline, told = until, number


def _end(number: int) -> None:
    if "windrow.tasks.storage.store.run_records" in sys.modules:  # else there is no run
        from windrow.tasks.storage.store.run_records import end_all

        with suppress(Exception):  # a disk that fails: who reads the run is told that its process is gone
            end_all(f"ended by {name_of(number)}")
    tell(number)
    sys.stdout.flush()
    os._exit(exit_code(number))


def exit_code(number: int) -> int:
    """Return the code with which a process ends that a signal ended, as shells give it."""
    return 128 + number


def tell(number: int) -> None:
    """Say once that the command was told to end, and how to go on with what it made."""
    if not _told.is_set():
        _told.set()
        word = "interrupted" if number == signal.SIGINT else f"ended by {name_of(number)}"
        how = "" if _only_answers.is_set() else "; what was finished is kept: run it again to go on"
        print(f"{word}{how}", file=sys.stderr, flush=True)


def note_only_answers() -> None:
    """Note that this command only answers questions: when it is told to end, there is nothing to go on with."""
    _only_answers.set()
