"""Processes that a command has started, found by a token in their environment, which children inherit."""

from __future__ import annotations

from pathlib import Path

TOKEN = "WINDROW_TEST_TOKEN"
SECONDS = 10.0
# A process that was started in the background of a script ignores Ctrl-C, and so would all that it starts.
HEEDING_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from windrow.flows.commands.cli import main
main()
"""


def alive(token: str) -> list[str]:
    """The commands of the processes that have a token in their environment, and are not done with."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = f"{TOKEN}={token}".encode() in (process / "environ").read_bytes()
            if is_ours and (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended meanwhile
            continue
    return found
