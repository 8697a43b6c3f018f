"""A pool, a store made of it, and the means to run the real command over both."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from windrow.flows.commands.cli import app, run_command
from windrow.flows.demo.demo_pool import DemoPool

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Workshop:
    """A pool, a store that was made of it, and the means to run commands over both.

    `api`: of a Prefect server that the commands use; without it, each that needs one starts a temporary one.
    """

    folder: Path
    pool: DemoPool
    config: Path
    store: Path
    api: str | None = None

    def windrow(self, *words: str, timeout: float = 240) -> Result:
        """Run the command line in a process of its own; runs are carried plainly where no runner is named."""
        plain = ("--runner", "plain") if words[0] in ("run", "nightly") and "--runner" not in words else ()
        command = [sys.executable, "-m", "windrow.flows.commands.cli", *words, *plain]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=timeout
        )

    def here(self, *words: str) -> Result:
        """Run the command line as `main` does, but in this process, which is left as it was: starting one takes seconds."""
        log = logging.getLogger("windrow")
        before = log.handlers[:], log.level, log.propagate
        out, err = io.StringIO(), io.StringIO()
        with chdir(self.folder), patch.dict(os.environ, self.environment()), redirect_stdout(out), redirect_stderr(err):
            try:
                code = run_command(partial(app, list(words), prog_name="windrow"))
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                log.handlers[:], log.level, log.propagate = before
        return Result(words, code, out.getvalue(), err.getvalue())

    def environment(self) -> dict[str, str]:
        """Return the environment of a command: Prefect's own files lie in the folder, and lines are not cut."""
        settings = {"PREFECT_HOME": str(self.folder / "prefect"), "COLUMNS": "160", "NO_COLOR": "1"}
        return {**os.environ, **settings, **({"PREFECT_API_URL": self.api} if self.api else {})}

    def write_config(self, name: str, **changes: Any) -> Path:
        """Write a variant of the config beside it."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**settings(self.pool, self.folder / name), **changes}))
        return path


def settings(pool: DemoPool, store: Path) -> dict[str, Any]:
    """Return a config over the demo's pool that clusters little, so that a run is quick."""
    return {
        "name": "digits",
        "sources": [str(source) for source in pool.sources],
        "store": str(store),
        "clustering": {"n_clusters": [40, 10], "n_rounds": 2},
        "selection": {
            "target_size": 150,
            "filters": [{"name": "greyscale", "keep": "mode = 'L'"}],
            "splits": [{"name": "train", "share": 0.8}, {"name": "val", "share": 0.2}],
        },
    }
