"""One run of a command of the user's, under a time limit, and what it said where it failed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SHOWN_LINES, SHOWN_BYTES = 10, 4000
# The system kills what asked for it (prctl 1, PR_SET_PDEATHSIG) when windrow dies, however it does: a training that
# nobody waits for would hold its GPU for hours.
_START = (
    "import ctypes, os, sys; libc = ctypes.CDLL(None); hasattr(libc, 'prctl') and libc.prctl(1, 9); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def run_command(words: Sequence[str], seconds: float, log: Path) -> None:
    """Run a command in the current folder; what it says goes to `log`.

    Raises ValueError when there is no such program, and with the last lines that it said when it ends otherwise than
    by exit code 0 or has not ended in time: then it is killed with all that it started. It dies with this process.
    """
    if shutil.which(words[0]) is None:
        raise ValueError(f"worth.command: there is no program {words[0]!r} that could be run")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise ValueError(
            f"worth.command: did not end within {seconds:g} s (worth.command_seconds){_last_lines(log)}"
        ) from None
    except BaseException:
        _kill(process)
        raise
    if code:
        raise ValueError(f"worth.command: {_ending(code)}{_last_lines(log)}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    names = {int(known): known.name for known in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}"


def _last_lines(log: Path) -> str:
    """What it said last, as text of printable characters."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - SHOWN_BYTES))
        text = file.read().decode(errors="replace")
    lines = ["".join(c if c.isprintable() else " " for c in line).rstrip() for line in text.splitlines()]
    shown = [line for line in lines if line][-SHOWN_LINES:]
    return "; it said last:\n" + "\n".join(f"  {line}" for line in shown) if shown else "; it said nothing"
