"""From an installed Windrow and a folder of photographs to the first curated set: key strokes, seconds, words, Ctrl-C.

    python tests/benchmarks/bench_first_set.py --photos FOLDER [--windrow env/bin/windrow]

Three tables. The shortest way from a folder to a set and to an answer about it: what is typed, Enter counted, and how
long it takes. Mistakes: what each is told, with which exit code, and how soon. Ctrl-C in twelve places: how long the
command lives on, its exit code and its last line; the signal goes to the command's group, as a terminal sends it.
Seconds are of the wall and of the processor, children counted.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WAY = (
    "windrow run photos --size 100",
    "windrow query 'SELECT label, count(*) FROM curated GROUP BY label'",
    "windrow report",
    "windrow init photos",
    "windrow config show photos",
    "windrow demo",
    "windrow --version",
)
MISTAKES = (
    "windrow run photo",
    "windrow run photos --sise 100",
    "windrow run photos --size ten",
    "windrow run photos -s selection.target_sise=3",
    "windrow run photos -s selection.policy=balansed",
    "windrow query 'SELEC 1'",
    "windrow query 'SELECT lable FROM pool'",
    "windrow explain nobody",
    "windrow explore nowhere",
    "windrow diff photos v0001 v0009",
    "windrow frobnicate",
)
ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
PLACES = (
    ("run photos -s store={new} --runner plain", None, 0.3),
    ("run photos -s store={new}", "starting a temporary", 0.5),
    *((f"run photos -s store={{new}} --runner {runner}", f"{stage}:", 0.0) for runner, stage in (
        ("plain", "ingest"), ("plain", "features"), ("plain", "neighbors"), ("plain", "cluster"),
        ("plain", "pseudo label"), ("plain", "rank"), ("prefect", "features"),
    )),
    ("demo {new} --runner plain", "ingest:", 0.0),
    ("explore --no-browser", "explore them at", 0.0),
    (f"query {shlex.quote(ENDLESS)}", None, 5.0),
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """How a command ended."""

    wall: float
    processor: float
    code: int
    said: str

    @property
    def last(self) -> str:
        """Its error, or else its last line, without the frame that Typer draws around some."""
        lines = [line for line in (each.strip(" │╭╰─╮╯") for each in self.said.splitlines()) if line]
        errors = [line for line in lines if line.startswith("error: ")]
        return (errors or lines[-1:] or [""])[0].replace("|", "\\|")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--windrow", default="windrow", help="the command, as installed")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="which of the three")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(given.photos, folder / "photos")
        program = shutil.which(given.windrow) or given.windrow
        for each in given.tables:
            print()
            for row in TABLES[each](folder, program):
                print(f"| {' | '.join(row)} |", flush=True)


def way(folder: Path, program: str) -> Iterator[tuple[str, ...]]:
    """From a folder to a set, and to answers about it."""
    yield from (("typed", "key strokes", "wall s", "processor s", "exit code"), ("---",) * 5)
    for line in WAY:
        told = run(folder, program, line)
        yield f"`{line}`", str(len(line) + 1), f"{told.wall:.1f}", f"{told.processor:.1f}", str(told.code)


def mistakes(folder: Path, program: str) -> Iterator[tuple[str, ...]]:
    """What is told of what is wrong."""
    have_store(folder, program)
    yield from (("typed", "processor s", "exit code", "told"), ("---",) * 4)
    for line in MISTAKES:
        told = run(folder, program, line)
        yield f"`{line}`", f"{told.processor:.1f}", str(told.code), told.last


def ctrl_c(folder: Path, program: str) -> Iterator[tuple[str, ...]]:
    """How commands end that are told to."""
    have_store(folder, program)
    yield from (("command", "when", "ended after, s", "exit code", "told"), ("---",) * 5)
    for number, (line, until, wait) in enumerate(PLACES):
        told = interrupted(folder, program, line.format(new=folder / f"new-{number}"), until, wait)
        when = " ".join([f"after `{until}`"] * bool(until) + [f"{wait:g} s later"] * bool(wait))
        shown = f"windrow {line}".replace(" -s store={new}", "").replace("{new} ", "").replace(ENDLESS, "...")
        yield f"`{shown}`", when, f"{told.wall:.1f}", str(told.code), told.last


def have_store(folder: Path, program: str) -> None:
    """Run once, where nothing has been run: there is a store to ask."""
    if not (folder / "data" / "store").exists():
        run(folder, program, "windrow run photos --size 10 --runner plain")


TABLES = {"way": way, "mistakes": mistakes, "ctrl-c": ctrl_c}


def environment() -> dict[str, str]:
    """That of a terminal of 200 columns, with a home of its own for Prefect."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}


def run(folder: Path, program: str, line: str) -> Told:
    """Run a line as a shell would."""
    words = [program, *shlex.split(line)[1:]]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Told(wall, processor, ended.returncode, ended.stdout)


def interrupted(folder: Path, program: str, line: str, until: str | None, wait: float) -> Told:
    """Start a line, wait for what it says and some seconds more, press Ctrl-C, and say how long it lived on."""
    process = subprocess.Popen(
        [program, *shlex.split(line)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    while until and not process.stdout.readline().startswith(until):
        if process.poll() is not None:
            raise RuntimeError(f"{line}: it ended before {until!r}")
    time.sleep(wait)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    return Told(time.monotonic() - begun, 0.0, process.returncode, said)


if __name__ == "__main__":
    main()
