"""Prefect as the runner: steps are flows, pieces of work are tasks, with retries, tags, names and artifacts.

The orchestrator's death ends no run: what fails in Prefect and not in the work is said once, and from there on the run
goes on without it.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.exceptions import MissingContextError
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from windrow.flows.summary import summarise
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.ended_by_signal import EndedBySignal, heed_signals, name_of, signal_seen
from windrow.tasks.fetching.credentials import without_secrets, written
from windrow.tasks.runner import MOST_THREADS, Call, PlainRunner, may_pass
from windrow.tasks.stage_lines import count_words
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import Run, StageRecord
from windrow.tasks.texts.markdown import code, inline

PUBLISHED = "windrow.version.published"
FINISHED = "windrow.nightly.finished"
KEPT_BACK = "windrow.version.kept-back"

# Fingerprints decide what is done, so Prefect's own cache is off: its key costs more than finding the output does.
ONCE: Mapping[str, Any] = {"cache_policy": NO_CACHE}
AGAIN: Mapping[str, Any] = {
    **ONCE,
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
}


def failed_on_io(task: Any, task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  (Prefect's signature)
    """Say whether a failed task run may succeed if it is run again."""
    try:
        state.result()
    except BaseException as error:
        return may_pass(error)
    return False


def _written(config: CurationConfig) -> CurationConfig:
    """The config as Prefect may show it."""
    values = asdict(config)
    return config if written(values) == values else parse_config(written(values))


class _Watched:
    """A function that remembers how it ended, so that its own failure can be told from the orchestrator's."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.ended = False
        self.error: BaseException | None = None
        self.result: Any = None

    def __call__(self) -> Any:
        self.error = None
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error
            text = without_secrets(str(error))
            if isinstance(error, Exception) and text != str(error):
                raise (OSError if may_pass(error) else RuntimeError)(text) from None  # Prefect keeps what it sees
            raise
        self.ended = True
        return self.result


class PrefectRunner(PlainRunner):
    """Carries a run through Prefect's API at PREFECT_API_URL for as long as it answers, and plainly from then on.

    `has_limits`: the server may have concurrency limits for tags; to ask it takes a second a task.
    """

    def __init__(self, has_limits: bool = True) -> None:
        super().__init__()
        self._has_limits = has_limits
        self._lost = False
        self._for_the_whole: list[Callable[[], Any]] = []
        heed_signals(signal.SIGINT)

    def _heed_interruption(self) -> None:
        """Code of Prefect's in which a signal arrives may take it for an error of its own, and go on."""
        if (number := signal_seen()) is not None:
            raise EndedBySignal(name_of(number))

    def step(self, name: str, config: CurationConfig, body: Callable[[], None]) -> None:
        """Run a step as a flow of its name; the flow run around it, which people open first, gets its outcome too."""
        watched = _Watched(body)

        @flow(
            name=name,
            flow_run_name=f"{name.replace('-', ' ')} {config.name}",
            task_runner=ThreadPoolTaskRunner(max_workers=MOST_THREADS),  # type: ignore[arg-type]
        )
        def carried(config: CurationConfig) -> None:  # noqa: ARG001  (shown in the UI)
            watched()

        self._watch(watched, lambda: carried(_written(config)))
        while self._for_the_whole:
            self._unless_lost(self._for_the_whole.pop(0))

    def map(self, calls: Sequence[Call], finished: Callable[[Any], None]) -> list[Any]:
        """Run each call as a task of its kind."""
        watched = [_Watched(call.run) for call in calls]
        futures = {}
        for call, each in zip(calls, watched, strict=True):
            future = self._unless_lost(lambda call=call, each=each: self._task(call, each).submit())  # type: ignore[misc]
            if future is not None:
                futures[future] = each
        told: set[int] = set()

        def settle(future: Any) -> None:
            self._watch(futures[future], future.result)
            finished(futures[future].result)
            told.add(id(futures[future]))

        for future in self._completed(list(futures)):
            settle(future)
        left = [(call, each) for call, each in zip(calls, watched, strict=True) if id(each) not in told]
        if left:
            results = super().map([call for call, _ in left], finished)
            for (_, each), result in zip(left, results, strict=True):
                each.result = result
        return [each.result for each in watched]

    def _task(self, call: Call, watched: _Watched) -> Any:
        settings = {**AGAIN, "retry_condition_fn": failed_on_io} if call.work.tries_again else ONCE
        tags = [call.work.tag] if call.work.tag and self._has_limits else None

        def carried() -> Any:
            return watched()

        declared: Any = task(name=call.work.name, task_run_name=call.label, tags=tags, **settings)
        return declared(carried)

    def _completed(self, futures: list[Any]) -> Iterator[Any]:
        """Yield futures as they are done; fewer than all when Prefect cannot tell."""
        waiting = as_completed(futures)
        while (future := self._unless_lost(lambda: next(waiting, None))) is not None:
            yield future

    def _watch(self, watched: _Watched, through_prefect: Callable[[], Any]) -> None:
        """Call a function through Prefect; raises its own error only, and calls it plainly where Prefect did not."""
        if not self._lost:
            try:
                through_prefect()
            except Exception as error:
                self._heed_interruption()
                if watched.error is not None:
                    raise watched.error from None
                self._lose(error)
        self._heed_interruption()
        if not watched.ended:
            watched()

    def _unless_lost(self, ask: Callable[[], Any]) -> Any:
        """Ask Prefect for something that a run can do without; None where it does not answer."""
        self._heed_interruption()
        if self._lost:
            return None
        try:
            return ask()
        except MissingContextError:
            return None  # a thread that no flow run knows of: nothing is lost but this
        except Exception as error:
            self._heed_interruption()
            self._lose(error)
            return None

    def _lose(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            logging.raiseExceptions = False  # Prefect's log handler would tell of every line that it cannot send
            super().say(f"Prefect no longer answers ({type(error).__name__}: {error}): the run goes on without it")

    def say(self, text: str) -> None:
        """Log a line, in the flow run's log too."""
        self._unless_lost(lambda: get_run_logger().info(without_secrets(text)))
        super().say(text)

    @contextmanager
    def shares(self, stage: str, total: int) -> Iterator[Callable[[float], None]]:
        """Show how far a stage is as a progress artifact, where there is more than one output to wait for."""
        description = f"{stage}: outputs done"
        made = self._unless_lost(lambda: create_progress_artifact(0.0, description=description)) if total > 1 else None

        def show(share: float) -> None:
            if made is not None:
                self._unless_lost(lambda: update_progress_artifact(made, 100.0 * share))

        yield show

    def show_stage(self, run: Run, record: StageRecord, line: str) -> None:
        """Show a stage's counts as a table; its line stands in the log of the whole run, too."""
        self._for_the_whole.append(lambda: get_run_logger().info(without_secrets(line)))
        table = [{"count": inline(count_words(name)), "number": number} for name, number in record.counts.items()]
        key, description = f"windrow-{record.stage.replace('_', '-')}", inline(f"{run.name}: {line}")
        self._unless_lost(lambda: create_table_artifact(key=key, table=table, description=description))

    def show_summary(self, run: Run, report: Path) -> None:
        """Show a run's summary, beside the whole run; a browser opens no file from Prefect's UI, so the report's path
        is text.
        """
        version = latest_version(run.store, run.name)
        what = f"{run.name} {version.version}, {version.n_samples:,} samples" if version else run.name
        text = f"# {inline(what)}\n\n{summarise(run)}\n\nReport: {code(str(report.resolve()))}"
        description = inline(f"{what}; report at {report.resolve()}")
        self._for_the_whole.append(
            lambda: create_markdown_artifact(key="windrow-summary", markdown=text, description=description)
        )

    def announce(self, name: str, what: Mapping[str, Any], is_new: bool) -> None:
        """Emit how a night ended, for automations and training jobs."""
        about = resource_of(name)
        if is_new:
            self._unless_lost(lambda: emit_event(event=PUBLISHED, resource=about, payload=dict(what)))
        if "kept_back" in what:
            self._unless_lost(lambda: emit_event(event=KEPT_BACK, resource=about, payload=dict(what)))
        payload = {**what, "is_new": is_new}
        self._unless_lost(lambda: emit_event(event=FINISHED, resource=about, payload=payload))


def resource_of(name: str) -> dict[str, str]:
    """Return the Prefect resource of a curated set: what its events are about, and what automations match."""
    return {"prefect.resource.id": f"windrow.curated-set.{name}"}
