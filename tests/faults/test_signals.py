"""Told to end, or killed: all that a command has started ends within ten seconds, and its run says what ended it.

Processes are counted by a token in their environment, which children inherit. `--faults 24` or more tries every command
under every runner, in more stages.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from processes import HEEDING_CTRL_C, SECONDS, TOKEN, alive
from workshop import Workshop

from windrow.tasks.storage.store.run_records import list_runs

SECONDS_OF_CTRL_C = 3.0
MANY = 24
SAYING_THAT_IT_ASKS = """
import sys, threading, time
def say():
    names = []
    while "answer" not in names:
        time.sleep(0.05)
        frame, names = sys._current_frames()[threading.main_thread().ident], []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
    time.sleep(0.5)
    print("it asks", flush=True)
threading.Thread(target=say, daemon=True).start()
"""
TERM, INT, KILL, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP
FEW = [
    ("run", "plain", "ingest:", TERM, "group"),
    ("run", "plain", "cluster:", TERM, "parent"),
    ("run", "plain", "features:", INT, "group"),
    ("run", "plain", "ingest:", KILL, "parent"),
]
MORE = [
    (command, runner, line, number, target)
    for command, runner in (("run", "prefect"), ("nightly", "prefect"), ("demo", "plain"))
    for line, number, target in (
        ("ingest:", TERM, "group"),
        ("ingest:", KILL, "parent"),
        ("cluster:", INT, "group"),
        ("rank:", TERM, "parent"),
    )
]
MORE += [("run", "prefect", "starting a temporary", number, "parent") for number in (TERM, INT, KILL)]
MORE += [("run", "plain", "ingest:", HUP, "group"), ("demo", "prefect", "ingest:", KILL, "parent")]

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "end" in metafunc.fixturenames:
        many = metafunc.config.getoption("faults") >= MANY
        ends = [*FEW, *MORE] if many else FEW
        metafunc.parametrize("end", ends, ids=lambda end: f"{end[0]}-{end[1]}-{end[2]}{end[3].name}-{end[4]}")


def started(workshop: Workshop, words: list[str], line: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command as the leader of a group, and wait until it prints a line; returns it with its token."""
    token = uuid4().hex
    home = {"WINDROW_PREFECT_HOME": str(workshop.folder / "server-home"), "PYTHONUNBUFFERED": "1", TOKEN: token}
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING_CTRL_C, *words],
        cwd=workshop.folder,
        env={**workshop.environment(), **home},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while not (said := process.stdout.readline()).startswith(line):
        assert said, f"it ended before {line!r}"
    return process, token


def test_all_ends_in_time_and_the_run_says_what_ended_it(
    workshop: Workshop, tmp_path: Path, end: tuple[str, str, str, signal.Signals, str]
) -> None:
    command, runner, line, number, target = end
    name = f"ended-{uuid4().hex[:8]}"
    config = workshop.write_config(name)
    words = [command, str(tmp_path / "demo") if command == "demo" else str(config), "--runner", runner]
    process, token = started(workshop, words, line)
    began = time.monotonic()
    (os.killpg if target == "group" else os.kill)(process.pid, number)
    said, _ = process.communicate(timeout=60)  # what it leaves running holds this pipe open
    took = time.monotonic() - began
    while (left := alive(token)) and time.monotonic() - began < SECONDS:
        os.sched_yield()
    assert left == []
    assert took < (SECONDS_OF_CTRL_C if number == INT else SECONDS), said
    assert process.returncode == (-KILL if number == KILL else 128 + number), said
    assert "Traceback" not in said
    runs = list_runs(tmp_path / "demo" / "store" if command == "demo" else workshop.folder / name)
    if number == KILL:
        assert [run.status for run in runs] in (["killed"], [])
    else:
        assert [(run.status, run.error) for run in runs] in ([("failed", f"ended by {number.name}")], [])
        assert said.count("what was finished is kept: run it again to go on") == 1
    if (command, line, number) == ("run", "cluster:", TERM):
        again = workshop.here("run", str(config))
        assert again.returncode == 0, again.stderr
        assert "ingest: " in again.stdout and "(found done, " in again.stdout


ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"


@pytest.mark.parametrize("number", [INT, TERM])
def test_a_question_that_does_not_end_is_interrupted(workshop: Workshop, number: signal.Signals) -> None:
    sql = f"SELECT 1 FROM ({ENDLESS}) WHERE 'it asks' = 'it asks'"
    program = HEEDING_CTRL_C.replace("main()\n", f"{SAYING_THAT_IT_ASKS}main()\n")
    process = subprocess.Popen(
        [sys.executable, "-c", program, "query", sql, "--store", str(workshop.store)],
        env=workshop.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "it asks\n"
    began = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "run it again" not in said
    assert time.monotonic() - began < (SECONDS_OF_CTRL_C if number == INT else SECONDS)


def test_a_question_that_takes_too_long_is_ended_with_a_sentence(workshop: Workshop) -> None:
    ended = workshop.windrow("query", ENDLESS, "--store", str(workshop.store), "--seconds", "0.5")
    assert ended.returncode == 2
    assert "the SQL took longer than" in ended.stderr
    # one function that nothing interrupts, and whose memory DuckDB does not count
    ended = workshop.windrow(
        *("query", "SELECT list_sum(range(10000000000))", "--store", str(workshop.store)),
        *("--seconds", "1", "--memory", "0.5"),
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
