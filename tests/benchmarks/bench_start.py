"""What commands cost that do little: processor time of each, and of a Python that does nothing.

    python tests/benchmarks/bench_start.py

The goal for a run that finds all its work done is 1.5 s more than the latter. A command is run once before it is
timed, so that the package is compiled.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import yaml
from inline_run import curate_inline
from small_pool import make_small_pool

from windrow.tasks.config import load_config

N = 9
COMMANDS = {
    "empty Python": ("-c", "pass"),
    "windrow --help": ("-m", "windrow", "--help"),
    "windrow query": ("-m", "windrow", "query", "SELECT count(*) FROM pool", "--store", "store"),
    "windrow doctor": ("-m", "windrow", "doctor", "--store", "store"),
    "windrow run, all found done": ("-m", "windrow", "run", "windrow.yaml", "--runner", "plain"),
}


def seconds(folder: Path, words: tuple[str, ...]) -> float:
    """Return the processor time of a Python with these arguments, its children's too."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_store(folder: Path) -> None:
    """Make a store of a small pool, and the config that made it."""
    pool = make_small_pool(folder)
    values = {
        "sources": list(pool.config.sources),
        "store": str(pool.store),
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "selection": {"target_size": 10},
    }
    path = folder / "windrow.yaml"
    path.write_text(yaml.safe_dump(values))
    curate_inline(load_config(path))


def main() -> None:
    """Print the median of N, and the least and the most."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder)
        for what, words in COMMANDS.items():
            seconds(folder, words)
            told = sorted(seconds(folder, words) for _ in range(N))
            print(f"{what:28} {told[N // 2]:5.2f} s ({told[0]:.2f} to {told[-1]:.2f})")


if __name__ == "__main__":
    main()
