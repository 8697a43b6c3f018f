"""Who carries the runs of the command line: Prefect where it can be had, and otherwise threads of this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Literal
from urllib.error import URLError
from urllib.request import urlopen

from windrow.flows.temporary_server import ServerError, temporary_server

if TYPE_CHECKING:
    from windrow.tasks.config import CurationConfig
    from windrow.tasks.pipeline import Curated
    from windrow.tasks.runner import Runner

Choice = Literal["auto", "plain", "prefect"]
SECONDS_TO_ANSWER = 10.0

# Prefect reads these when it is imported: a user's runs are nobody else's business, and a server that does not answer
# is asked a few times, not for minutes.
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_CLIENT_MAX_RETRIES": "3",
}


def carry(
    name: str, config: CurationConfig, choice: Choice, work: Callable[[CurationConfig, Runner], Curated]
) -> Curated:
    """Do `work` in the hands of a runner, as a flow `name` where that is Prefect.

    'auto' takes Prefect where PREFECT_API_URL is set, or a temporary server starts in time; else a line says why not,
    and the run goes on without. Raises ValueError with the choice 'prefect' when there is none.
    """
    results: list[Curated] = []
    with _runner(choice) as runner:
        runner.step(name, config, lambda: results.append(work(config, runner)))
    return results[-1]


@contextmanager
def _runner(choice: Choice) -> Iterator[Runner]:
    from windrow.tasks.runner import PlainRunner

    if choice == "plain":
        yield PlainRunner()
        return
    with ExitStack() as opened:
        try:
            runner = _prefect_runner(opened)
        except (ServerError, ImportError) as error:
            if choice == "prefect":
                raise ValueError(f"--runner prefect: there is no Prefect server: {error}") from None
            logging.getLogger("windrow").info(f"without Prefect ({error}): the run goes on by itself")
            yield PlainRunner()
            return
        yield runner


def _prefect_runner(opened: ExitStack) -> Runner:
    """A runner over the user's own server, or over a temporary one that ends with `opened`."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    api = own = PREFECT_API_URL.value()
    if api:
        _check_answers(api)
    else:
        logging.getLogger("windrow").info("starting a temporary Prefect server (--runner plain does without)")
        api = opened.enter_context(temporary_server())
        # It may be busy for a moment; where it is gone, nobody starts it anew. Nobody reads its log.
        settings = {PREFECT_API_URL: api, PREFECT_CLIENT_MAX_RETRIES: 2, PREFECT_LOGGING_TO_API_ENABLED: False}
        opened.enter_context(temporary_settings(settings))
        opened.callback(_send_what_is_left, api)
    from windrow.flows.prefect_runner import PrefectRunner

    return PrefectRunner(has_limits=bool(own))


def _send_what_is_left(api: str) -> None:
    """Let Prefect send the log and the events that it has collected, before its server goes; if it has not gone."""
    try:
        _check_answers(api)
    except ServerError:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        with suppress(Exception):  # a server that has gone already: the run went on without it
            worker.drain_all(timeout=SECONDS_TO_ANSWER)


def _check_answers(api: str) -> None:
    try:
        with urlopen(f"{api}/health", timeout=SECONDS_TO_ANSWER):
            return
    except (URLError, OSError, ValueError) as error:
        from windrow.tasks.fetching.credentials import without_secrets

        raise ServerError(without_secrets(f"PREFECT_API_URL is {api}, which does not answer: {error}")) from None


def prepare_prefect(verbose: bool) -> None:
    """Set what Prefect reads when it is imported."""
    for name, value in SETTINGS.items():
        if not (verbose and name.startswith("PREFECT_LOGGING")):
            os.environ.setdefault(name, value)
