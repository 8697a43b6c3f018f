"""The command line in the process of the tests: to start one takes seconds, and most tests are about what it says."""

from __future__ import annotations

import io
import logging
import os
import subprocess
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from unittest.mock import patch

from windrow.flows.commands.cli import app, err, out, run_command

Result = subprocess.CompletedProcess[str]


def run_here(*words: str, folder: Path | None = None, answer: str = "", **environment: str) -> Result:
    """Run a command as `main` does, in a folder and with an answer on its input; the process is left as it was."""
    log = logging.getLogger("windrow")
    before = log.handlers[:], log.level, log.propagate
    said, complained = io.StringIO(), io.StringIO()
    with (
        patch.object(out, "_width", None),  # COLUMNS is that of the command, not of when it was imported
        patch.object(err, "_width", None),
        chdir(folder or Path.cwd()),
        patch.dict(os.environ, environment),
        patch("sys.stdin", io.StringIO(answer)),
        redirect_stdout(said),
        redirect_stderr(complained),
    ):
        try:
            code = run_command(partial(app, list(words), prog_name="windrow"))
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            log.handlers[:], log.level, log.propagate = before
    return Result(words, code, said.getvalue(), complained.getvalue())
