"""What the Prefect server does by itself, so that nights keep coming: `python -m windrow.flows.automations`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events import emit_event
from prefect.events.actions import CallWebhook, ChangeFlowRunState, DoNothing
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from pydantic import SecretStr

from windrow.flows.prefect_runner import FINISHED, KEPT_BACK, resource_of
from windrow.tasks.config import load_config

# Starts the clock of a set of which no night has finished yet.
EXPECTED = "windrow.nightly.expected"
WEBHOOK = "windrow-alerts"
DEFAULT_CONFIG = Path("windrow.yaml")
LEAST_SILENCE = timedelta(seconds=90)

# A run holds its deployment's only slot in these states, and its machine can die in each of them.
SIGNS_OF_LIFE = {
    f"prefect.flow-run.{event}"
    for event in ("Pending", "Submitting", "InfrastructurePending", "Running", "Retrying", "Cancelling", "heartbeat")
}
BAD_ENDS = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")}
# A run that ended or waits for its turn has nothing to say.
SILENT_STATES = BAD_ENDS | {
    f"prefect.flow-run.{state}"
    for state in (
        *("Completed", "Cancelled", "Scheduled", "Late"),
        *("AwaitingRetry", "AwaitingConcurrencySlot", "Paused", "Suspended"),
    )
}


def crash_silent_runs(silence: timedelta) -> Automation:
    """Mark a flow run Crashed, which frees its slot, when nothing has been heard of it for `silence`.

    Every sign of life starts the wait again, and a silent state ends it. What is expected has no wildcard: any other
    event of the run, `pull-step.executed` for one, would end the wait too. A heartbeat that comes after the end starts
    a last wait in vain: without `force` the server lets no run leave its end (PrefectHQ/prefect#18653).

    Raises ValueError for less than three of the heartbeats that deploy/prefect.yaml asks for (30 s); runs that were
    started elsewhere beat every 180 s.
    """
    if silence < LEAST_SILENCE:
        raise ValueError(f"silence: wants {LEAST_SILENCE} or more, got {silence}")
    return Automation(
        name="windrow: crash silent runs",
        description="The run of a machine that died would stay Running for ever, and block its deployment.",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            after=SIGNS_OF_LIFE,
            expect=SIGNS_OF_LIFE | SILENT_STATES,
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message=f"not heard of for {silence}", force=False
            )
        ],
    )


def alert_when_stale(name: str, age: timedelta, webhook: UUID | None) -> Automation:
    """Alert once when no night of the curated set `name` has finished for `age`, whether or not it changed anything."""
    return Automation(
        name=f"windrow: {name} is stale",
        description=f"No nightly run of {name} has finished for {age}.",
        trigger=EventTrigger(
            match=ResourceSpecification(dict(resource_of(name))),
            after={FINISHED, EXPECTED},
            expect={FINISHED},
            posture=Posture.Proactive,
            threshold=1,
            within=age,
        ),
        actions=[_call(webhook, f"windrow: no nightly run of {name} has finished for {age}")],
    )


def alert_on_failure(webhook: UUID) -> Automation:
    """Alert when a nightly run fails or crashes."""
    return Automation(
        name="windrow: nightly run failed",
        description="A nightly run ended badly. What it finished is kept: the next one goes on from there.",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": "nightly"},
            expect=BAD_ENDS,
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[_call(webhook, "windrow: {{ flow_run.name }} is {{ flow_run.state.name }}: {{ flow_run|ui_url }}")],
    )


def alert_when_kept_back(name: str, webhook: UUID) -> Automation:
    """Alert when the guard or a gate kept back what a night made of the set `name`: the last version stays."""
    return Automation(
        name=f"windrow: {name} was kept back",
        description="What a night made was worse than what the guard compares it with, or did not pass a gate.",
        trigger=EventTrigger(
            match=ResourceSpecification(dict(resource_of(name))),
            expect={KEPT_BACK},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[_call(webhook, f"windrow: {name} was not published: {{{{ event.payload.kept_back }}}}")],
    )


def _call(webhook: UUID | None, text: str) -> CallWebhook | DoNothing:
    """Slack, Mattermost and most others read a JSON object with `text`. The server records a firing in any case."""
    return CallWebhook(block_document_id=webhook, payload=json.dumps({"text": text})) if webhook else DoNothing()


async def install(automations: Sequence[Automation]) -> None:
    """Make automations, in place of those of the same names."""
    for automation in automations:
        with contextlib.suppress(ValueError):  # there is none yet
            await (await Automation.aread(name=automation.name)).adelete()
        await automation.acreate()


async def save_webhook(url: str) -> UUID:
    """Keep the address of the alerts in a block of the server; returns the block's id."""
    return await Webhook(method="POST", url=SecretStr(url)).asave(WEBHOOK, overwrite=True)


def main(
    config: Annotated[Path, typer.Option(envvar="WINDROW_CONFIG", help="Config of the curated set.")] = DEFAULT_CONFIG,
    webhook: Annotated[str | None, typer.Option(help="URL to POST alerts to, as JSON with `text`.")] = None,
    stale_after: Annotated[float, typer.Option(help="Hours without a finished nightly run.")] = 26,
    silent_after: Annotated[float, typer.Option(help="Seconds without a sign of life of a flow run.")] = 900,
) -> None:
    """Make or update the automations of the nightly deployment on the server at PREFECT_API_URL."""
    name = load_config(config).name
    block = asyncio.run(save_webhook(webhook)) if webhook else None
    automations = [
        crash_silent_runs(timedelta(seconds=silent_after)),
        alert_when_stale(name, timedelta(hours=stale_after), block),
    ]
    if block:
        automations += [alert_on_failure(block), alert_when_kept_back(name, block)]
    asyncio.run(install(automations))
    emit_event(event=EXPECTED, resource=resource_of(name))
    for automation in automations:
        print(automation.name)


if __name__ == "__main__":
    typer.run(main)
