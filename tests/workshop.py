"""A pool, a store made of it, and the means to run the real command over both."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from command_line import Result, run_here

from windrow.flows.demo.demo_pool import DemoPool


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
        command = [sys.executable, "-m", "windrow.flows.commands.cli", *carried(words)]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=timeout
        )

    def here(self, *words: str) -> Result:
        """Run the command line in this process."""
        return run_here(*carried(words), folder=self.folder, **self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment of a command: Prefect's own files lie in the folder, and lines are not cut."""
        settings = {"PREFECT_HOME": str(self.folder / "prefect"), "COLUMNS": "160", "NO_COLOR": "1"}
        return {**os.environ, **settings, **({"PREFECT_API_URL": self.api} if self.api else {})}

    def write_config(self, name: str, **changes: Any) -> Path:
        """Write a variant of the config beside it."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**settings(self.pool, self.folder / name), **changes}))
        return path


def carried(words: tuple[str, ...]) -> list[str]:
    """Return the words of a command with the plain runner, where it runs the pipeline and they name none."""
    is_run = words[0] in ("run", "nightly") and "--runner" not in words
    return [*words, "--runner", "plain"] if is_run else list(words)


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
