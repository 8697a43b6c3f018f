"""A run on its way: how its stages are shown and recorded, where their work is done, and what they hand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.features.extraction import identify_backbone
from windrow.tasks.features.model_scores import identify_scorer, score_shards
from windrow.tasks.features.models_at_work import KnownModel
from windrow.tasks.fetching.credentials import knowing, known
from windrow.tasks.progress import StageProgress, stage_progress
from windrow.tasks.recording import StageLog, recording
from windrow.tasks.runner import Call, Runner, Work
from windrow.tasks.storage.memory_budget import within
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, NotDoneError, only_finding
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.tally import Tally, counted

GROUPS_PER_WORKER = 4

Shard = TypeVar("Shard")


@dataclass
class Curation:
    """A run on its way: its config, who carries it, what its stages have made so far, and what the guard kept back.

    `attended`: somebody sees what it says; a night has nobody.
    `met`: the given labels, and how the files that the config names fit the pool, both as made right after ingest.
    `known_models`: those that are at work while shards are ingested; `made_beside` is where their outputs lie, which
    their own stages find done.
    """

    config: CurationConfig
    run: Run
    runner: Runner
    made: Made
    kept_back: str | None = None
    attended: bool = True
    met: tuple[Done, ...] = ()
    known_models: tuple[KnownModel, ...] = ()
    made_beside: frozenset[str] = frozenset()

    @property
    def store(self) -> Path:
        """The store that the run adds to."""
        return self.run.store

    def stage(self, stage: Stage) -> AbstractContextManager[StageLog]:
        """Run a stage in the block, and record it."""
        return recording(self.run, stage, self.runner)

    @contextmanager
    def progress(
        self, what: str, total: int, n_calls: int = 0, n_samples: int | None = None
    ) -> Iterator[StageProgress]:
        """Show how far a stage is while the block runs; see `stage_progress`."""
        say = self.runner.say
        with (
            self.runner.shares(what, total) as shares,
            stage_progress(what, total, say, shares, n_calls, n_samples) as shown,
        ):
            yield shown

    @contextmanager
    def _at_workers(
        self, what: str, total: int, n_calls: int, n_samples: int | None, shown: StageProgress | None
    ) -> Iterator[StageProgress]:
        if shown is None:
            with self.progress(what, total, n_calls, n_samples) as progress:
                yield progress
        else:
            with self.runner.shares(what, total) as share:
                shown.begin(total, n_samples, share)
                yield shown

    def here(self, work: Work, *args: Any) -> Any:
        """Do one piece of work in this process."""
        return self.runner.map([Call(work, work.words, args)], _nowhere)[0]

    def in_worker(self, work: Work, *args: Any) -> Any:
        """Do one piece of work in a worker of the executor, unless it is found done."""
        elsewhere = replace(work, function=partial(_found_or_made, self._elsewhere(1), work.function))
        return self.here(elsewhere, *args)

    def in_workers(
        self,
        what: str,
        total: int,
        calls: Sequence[Call],
        counts: str = "n_samples",
        n_samples: int | None = None,
        shown: StageProgress | None = None,
    ) -> list[Any]:
        """Do pieces of work in the workers of the executor, where they are not found done; `total` outputs in all.

        `counts` names the count of an output that says how many samples it has; there are `n_samples` in all, None
        where that is not known. `shown`: the progress of the stage, where that has begun; for `most_groups` calls.
        """
        with self._at_workers(what, total, len(calls), n_samples, shown) as progress:
            tallied = partial(_tallied, self._elsewhere(len(calls)), progress.tally, counts)
            elsewhere = [
                replace(call, work=replace(call.work, function=partial(tallied, number, call.work.function)))
                for number, call in enumerate(calls)
            ]
            return self.runner.map(elsewhere, lambda found: progress.advance(_size(found)))

    def warn(self, line: str | None) -> None:
        """Say a line, where there is one."""
        if line is not None:
            self.runner.say(line)

    @property
    def n_workers(self) -> int:
        """How many workers the executor has."""
        return open_executor(self.config.executor).n_workers

    @property
    def most_groups(self) -> int:
        """How many `groups` there are at most."""
        return self.n_workers * GROUPS_PER_WORKER

    def _elsewhere(self, n_calls: int) -> _Elsewhere:
        return _Elsewhere(self.config.executor, self.config.memory_gb, n_calls)

    def groups(self, shards: Sequence[Shard]) -> list[tuple[str, list[Shard]]]:
        """Cut shards into groups, each a piece of work, labelled by the numbers of their shards."""
        size = max(1, -(-len(shards) // self.most_groups))
        starts = range(0, len(shards), size)
        return [(f"{at}-{min(at + size, len(shards)) - 1}", list(shards[at : at + size])) for at in starts]

    def keep(self, log: StageLog, stage: str, done: Sequence[Done], count: str) -> None:
        """Hand on what a stage has made; `count` of it is its number of samples."""
        log.done = [replace(each, found=each.found and each.path not in self.made_beside) for each in done]
        log.n_samples = sum(each.counts[count] for each in done)
        made: dict[str, Any] = {stage: paths_of(done)}
        self.made = replace(self.made, **made)


@dataclass(frozen=True)
class _Elsewhere:
    """The workers that calls go to, side by side, and the memory that they have together."""

    executor: ExecutorConfig
    memory_gb: float | None
    n_calls: int

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(*args)` in a worker, which may take its part of the memory."""
        workers = open_executor(self.executor)
        n_sharers = max(1, min(self.n_calls, workers.n_workers))
        return workers.run(partial(within, self.memory_gb, n_sharers, function), *args)


def _found_or_made(elsewhere: _Elsewhere, function: Callable[..., Any], *args: Any) -> Any:
    """What is done is found here, without a worker that would load a model to see it.

    What a model is may depend on the GPU, which workers of Ray may have and this process may not.
    """
    return _found_or_sent(elsewhere, function, function, *args)


def _tallied(
    elsewhere: _Elsewhere, tally: Tally, counts: str, number: int, function: Callable[..., Any], *args: Any
) -> Any:
    """The same, and the samples are counted as they are done."""
    found = _found_or_sent(elsewhere, function, partial(counted, tally.path, number, function), *args)
    outputs = found if isinstance(found, list) else [found]
    tally.finish(number, sum(done.counts.get(counts, 0) for done in outputs if isinstance(done, Done)))
    return found


def _found_or_sent(elsewhere: _Elsewhere, function: Callable[..., Any], sent: Callable[..., Any], *args: Any) -> Any:
    if elsewhere.executor.kind != "ray" or function not in (identify_backbone, identify_scorer, score_shards):
        with suppress(NotDoneError), only_finding():
            return function(*args)
    sources = known()
    called = partial(knowing, sources, sent) if sources else sent
    return elsewhere.run(called, *args)


def _size(found: Any) -> int:
    return len(found) if isinstance(found, list) else 1


def paths_of(done: Sequence[Done]) -> tuple[str, ...]:
    """Where outputs lie, relative to the store."""
    return tuple(each.path for each in done)


def joined(groups: Sequence[Sequence[Done]]) -> list[Done]:
    """The outputs of all groups."""
    return [done for group in groups for done in group]


def _nowhere(_: Any) -> None:
    """Where progress goes that nobody looks at."""
