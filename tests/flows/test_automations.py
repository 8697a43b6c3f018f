"""The automation that crashes silent runs, on a real server: every silent run, and no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.events import Event
from prefect.events.schemas.automations import EventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Completed, Pending, Running
from prefect_server import prefect_server

from windrow.flows.automations import crash_silent_runs

SILENCE = timedelta(seconds=10)  # the least that the server takes
SECONDS = 90


@flow
def night() -> None:
    """Stands for a nightly run; it is never called."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SyncPrefectClient]:
    """Serve with the automation, at a silence that a test can wait for."""
    automation = crash_silent_runs(timedelta(minutes=15))
    assert isinstance(automation.trigger, EventTrigger)
    automation.trigger.within = SILENCE
    with (
        prefect_server(tmp_path / "prefect", services=True) as api,
        temporary_settings({PREFECT_API_URL: api}),
        get_client(sync_client=True) as client,
    ):
        automation.create()
        yield client


def run_through(client: SyncPrefectClient, *steps: State | str) -> UUID:
    """Make a run; a step is a state that it enters or the name of another event of it."""
    run = client.create_flow_run(night, state=Pending()).id
    for step in steps:
        if isinstance(step, State):
            client.set_flow_run_state(run, step)
        else:
            tell(client, run, step)
    return run


def tell(client: SyncPrefectClient, run: UUID, what: str) -> None:
    event = Event(event=f"prefect.flow-run.{what}", resource={"prefect.resource.id": f"prefect.flow-run.{run}"})
    client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()


def test_a_silent_run_is_crashed_and_one_that_completed_waits_or_lives_is_not(client: SyncPrefectClient) -> None:
    completed = run_through(client, Running(), "heartbeat", Completed())
    late = run_through(client, Running(), Completed(), "heartbeat")
    waiting = run_through(client, Running(), AwaitingRetry())
    living = run_through(client, Running())
    silent = [
        run_through(client, Running(), "heartbeat"),
        run_through(client, Running()),
        run_through(client, Pending(name="InfrastructurePending"), "pull-step.executed"),
    ]

    def states(*runs: UUID) -> list[str]:
        return [str(client.read_flow_run(run).state_name) for run in runs]

    deadline = time.monotonic() + SECONDS
    while states(*silent) != ["Crashed"] * 3 and time.monotonic() < deadline:
        tell(client, living, "heartbeat")
        time.sleep(0.5)
    assert states(*silent) == ["Crashed"] * 3
    assert states(completed, late, waiting, living) == ["Completed", "Completed", "AwaitingRetry", "Running"]
