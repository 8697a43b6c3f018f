"""A run whose process is gone is said to be killed, by every reader; one that lives never is."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from windrow.flows.commands.stores.doctor import contents
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files import signs_of_life
from windrow.tasks.storage.files.signs_of_life import ALIVE, LEASE, is_gone
from windrow.tasks.storage.store.run_records import list_runs, open_run, start_run
from windrow.tasks.storage.verify.verification import verify

Starter = Callable[[], subprocess.Popen[str]]
PROCESS = """
import sys, pathlib
from windrow.tasks.storage.store.run_records import start_run
print(start_run(pathlib.Path(sys.argv[1]), "small", {"process": sys.argv[2]}).run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Starter]:
    """Return a function that starts a run in a process of its own, and returns that when the run has begun."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROCESS, str(tmp_path), str(len(processes))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def statuses(store: Path) -> list[str]:
    return [run.status for run in list_runs(store)]


def test_of_two_runs_the_one_whose_process_is_killed_is_said_to_be(started: Starter, tmp_path: Path) -> None:
    one, other = started(), started()
    assert statuses(tmp_path) == ["running", "running"]
    one.kill()
    one.wait()
    assert statuses(tmp_path) == ["killed", "running"]
    assert "out of memory" in (list_runs(tmp_path)[0].error or "")
    other.send_signal(signal.SIGSTOP)  # a process that does nothing for a while, as one that swaps
    old = time.time() - 2 * LEASE
    os.utime(list_runs(tmp_path)[1].path / ALIVE, (old, old))
    assert statuses(tmp_path) == ["killed", "running"]


def test_sql_and_the_doctor_and_verification_see_it(store: Path) -> None:
    killed = start_run(store, "small", {})
    kill(killed.path)
    with connect_run(store) as catalog:
        found = query(catalog, f"SELECT status FROM runs WHERE run_id = '{killed.run_id}'").fetchall()
    assert found == [("killed",)]
    assert any(killed.run_id in each.text and "killed" in each.text for each in contents(store))
    assert verify(store).damage == ()


def test_a_run_that_ends_takes_its_signs_along(tmp_path: Path) -> None:
    run = start_run(tmp_path, "small", {})
    assert not is_gone(run.path)
    run.finish("partial")
    assert open_run(tmp_path, run.run_id).status == "partial"
    assert not (run.path / ALIVE).exists()


def kill(folder: Path, machine: str | None = None) -> None:
    """Leave what a killed process leaves; this one goes on."""
    text = (folder / ALIVE).read_text()
    (folder / ALIVE).unlink()
    (folder / ALIVE).write_text(machine or text)


def test_of_another_machine_a_free_lock_proves_nothing_until_nothing_was_touched_for_long(tmp_path: Path) -> None:
    run = start_run(tmp_path, "small", {})
    kill(run.path, "another boot mnt:[1]\n")
    assert statuses(tmp_path) == ["running"]
    old = time.time() - LEASE - 1
    os.utime(run.path / ALIVE, (old, old))
    assert statuses(tmp_path) == ["killed"]
    with (run.path / ALIVE).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert statuses(tmp_path) == ["running"]


def test_what_a_run_touches_is_touched_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "BEAT", 0.01)
    run = start_run(tmp_path, "small", {})
    alive = run.path / ALIVE
    os.utime(alive, (0, 0))
    deadline = time.monotonic() + 10
    while alive.stat().st_mtime == 0:
        assert time.monotonic() < deadline
    run.finish("finished")


def test_a_run_that_ends_while_it_is_looked_at_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_run(tmp_path, "small", {})
    real = signs_of_life.is_gone

    def late(folder: Path) -> bool:
        run.finish("finished")
        return real(folder)

    monkeypatch.setattr("windrow.tasks.storage.store.run_records.is_gone", late)
    assert open_run(tmp_path, run.run_id).status == "finished"
