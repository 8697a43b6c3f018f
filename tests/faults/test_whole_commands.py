"""The real command, disturbed: a worker or Prefect's server killed under it, and two started together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from workshop import Workshop

from windrow.schemas import REGISTRY
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.registry import registry_files
from windrow.tasks.storage.store.run_records import list_runs
from windrow.tasks.storage.verify.verification import verify

MANY = 24
Digests = Callable[[Path], Mapping[str, str]]
SECONDS = 300


@pytest.fixture
def many_faults(request: pytest.FixtureRequest) -> None:
    """Leave the minutes that some of these take to who asks for many faults."""
    if request.config.getoption("faults") < MANY:
        pytest.skip(f"takes a minute or two: --faults {MANY} or more")


def start(workshop: Workshop, config: Path, **settings: str) -> subprocess.Popen[str]:
    """Start `windrow run` with settings of Prefect."""
    return subprocess.Popen(
        [sys.executable, "-m", "windrow.flows.commands.cli", "run", str(config)],
        cwd=workshop.folder,
        env={**workshop.environment(), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_child(process: subprocess.Popen[str], word: str) -> int:
    """Wait until a run has a child process with a word in its command, and return its id."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        listed = subprocess.run(["ps", "-axwwo", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
        for pid, parent, command in (line.split(None, 2) for line in listed.stdout.splitlines()):
            if int(parent) == process.pid and word in command:
                return int(pid)
        time.sleep(0.02)
    raise AssertionError(f"no child with {word!r}")


def test_a_worker_that_is_killed_is_replaced_and_the_run_goes_on(served: Workshop, digests: Digests) -> None:
    store = served.folder / "worker-killed"
    process = start(served, served.write_config(store.name))
    os.kill(wait_for_child(process, "local_worker"), signal.SIGKILL)
    told, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, told
    (version,) = list_versions(store)
    (expected,) = list_versions(served.store, "digits")
    assert digests(version.path) == digests(expected.path)


@pytest.mark.usefixtures("many_faults")
def test_when_prefects_server_is_killed_the_run_goes_on_without_it(workshop: Workshop, digests: Digests) -> None:
    store = workshop.folder / "server-killed"
    process = start(workshop, workshop.write_config(store.name), PREFECT_CLIENT_MAX_RETRIES="0")
    server = wait_for_child(process, "temporary_server")
    wait_for_child(process, "local_worker")
    os.kill(server, signal.SIGKILL)
    told, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, told
    assert told.count("the run goes on without it") == 1
    assert [run.status for run in list_runs(store)] == ["finished"]
    (version,) = list_versions(store)
    (expected,) = list_versions(workshop.store, "digits")
    assert digests(version.path) == digests(expected.path)


@pytest.mark.usefixtures("many_faults")
def test_two_commands_started_together_share_the_work_and_make_one_version(
    workshop: Workshop, digests: Digests
) -> None:
    store = workshop.folder / "two-at-once"
    config = workshop.write_config(store.name)
    both = [start(workshop, config) for _ in range(2)]
    for process in both:
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, told
    (version,) = list_versions(store)
    (expected,) = list_versions(workshop.store, "digits")
    assert not verify(version.path).damage
    assert digests(version.path) == digests(expected.path)
    assert [run.status for run in list_runs(store)] == ["finished", "finished"]
    indices = read_table(REGISTRY, registry_files(store))["sample_index"].to_pylist()
    assert indices == list(range(len(indices)))
