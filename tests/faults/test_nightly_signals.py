"""A served schedule, told to end or killed while a night is under way: the night's processes end with it, in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect_server import prefect_server
from processes import HEEDING_CTRL_C, SECONDS, TOKEN, alive
from workshop import Workshop

from windrow.tasks.storage.store.run_records import list_runs

TERM, INT, KILL, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP
MANY = 24
LEAP_DAY = "0 2 29 2 *"

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    many = metafunc.config.getoption("faults") >= MANY
    every = [(INT, "group"), (TERM, "parent"), (TERM, "group"), (HUP, "parent"), (KILL, "group"), (KILL, "parent")]
    metafunc.parametrize("end", every if many else every[-1:], ids=lambda end: f"{end[0].name}-{end[1]}")


@pytest.fixture(scope="module")
def serving(workshop: Workshop) -> Iterator[Workshop]:
    """The workshop with a server of its own: nights that are killed stay there as running."""
    with prefect_server(workshop.folder / "nights-server", services=True) as api:
        yield replace(workshop, api=api)


def test_a_served_night_ends_with_who_serves_it(serving: Workshop, end: tuple[signal.Signals, str]) -> None:
    name, token = f"night-{uuid4().hex[:8]}", uuid4().hex
    config = serving.write_config(name)
    command = [sys.executable, "-c", HEEDING_CTRL_C, "nightly", str(config), "--cron", LEAP_DAY, "-s", f"name={name}"]
    environment = {**serving.environment(), TOKEN: token, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=serving.folder, env=environment, start_new_session=True, **streams) as process:
        try:
            _ended_in_time(serving, process, name, token, end)
        finally:
            process.kill()


def _ended_in_time(
    serving: Workshop, process: subprocess.Popen[str], name: str, token: str, end: tuple[signal.Signals, str]
) -> None:
    number, target = end
    store = serving.folder / name
    _begin_a_night(str(serving.api), name)
    _until(lambda: store.exists() and list_runs(store) != [])
    began = time.monotonic()
    (os.killpg if target == "group" else os.kill)(process.pid, number)
    said, _ = process.communicate(timeout=60)  # what it leaves running holds this pipe open
    took = time.monotonic() - began
    while (left := alive(token)) and time.monotonic() - began < SECONDS:
        time.sleep(0.1)
    assert left == []
    assert took < SECONDS, said
    assert process.returncode == (-KILL if number == KILL else 128 + number), said
    assert [run.status for run in list_runs(store)] in (["failed"], ["killed"]), said


def _begin_a_night(api: str, name: str) -> None:
    url = f"{api}/deployments/name/nightly/{name}"
    _until(lambda: httpx.get(url).status_code == httpx.codes.OK)
    begin = f"{api}/deployments/{httpx.get(url).json()['id']}/create_flow_run"
    _until(lambda: httpx.post(begin, json={}).status_code == httpx.codes.CREATED)  # a busy server answers 503


def _until(is_so: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
