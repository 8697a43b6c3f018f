"""Looking at every distinct sample of a shard once, in a process of its own (`windrow.tasks.pictures.sandbox`).

Models that are known by then get their inputs from the same look: see `Watcher`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any, Protocol

from windrow.tasks.executors.state import worker_state
from windrow.tasks.pictures.decoding import inspect_image
from windrow.tasks.pictures.one_look import View, look_once, look_once_guarded
from windrow.tasks.pictures.sandbox import Limits, Sandbox, Verdict, batches
from windrow.tasks.pictures.sandbox_worker import Pixels, Seen
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, sample_id_of
from windrow.tasks.storage.unusable.other_formats import HEAD_BYTES, format_by_name, other_format

NOT_AN_IMAGE = "not an image"
"""The reason of `inspect_image` for what begins as no picture does; its name may tell more."""
SANDBOXES = 2
"""That decode at once for one shard while models are at work."""
AHEAD = 4

_Tagged = tuple[tuple[Found, str | None, int], bytes | None]


class Watcher(Protocol):
    """Is shown the samples of a shard while they are ingested. `views`: what it wants of each; () where nothing."""

    @property
    def views(self) -> Sequence[View]: ...

    def see(self, sample_id: str, made: Sequence[Pixels | str]) -> None:
        """Take the views of a readable sample: each sample once, in the order of their first occurrences."""
        ...


@dataclass(frozen=True)
class Inspected:
    """An occurrence, its sample_id (None: its bytes were not read) and what its sample is.

    `facts`: columns of SAMPLES; None where the sample cannot be used, and `reason` says why, or is refused.
    """

    found: Found
    sample_id: str | None
    facts: dict[str, Any] | None
    reason: str | None


def inspect_all(
    found: Iterable[Found],
    config: IngestConfig,
    refused: Collection[str],
    keep_bytes: bool = False,
    watcher: Watcher | None = None,
) -> Iterator[Inspected]:
    """Yield every occurrence in order; bytes go, unless they are to be kept, once they were looked at.

    What is refused is not looked at.
    """
    distinct = _distinct(found, refused, keep_bytes)
    if watcher is None:
        looked_at = worker_state(_open_sandbox, config).map(distinct)
    else:
        looked_at = _shown(distinct, config, watcher)
    verdicts: dict[str, dict[str, Any] | str] = {}
    for (one, sample_id, n_bytes), verdict in looked_at:
        if sample_id is not None and verdict is not None:
            if isinstance(verdict, dict):
                verdicts[sample_id] = {"sample_id": sample_id, **verdict, "n_bytes": n_bytes}
            else:
                verdicts[sample_id] = str(verdict)
        known = verdicts.get(sample_id or "")
        if isinstance(known, str):
            by_name = format_by_name(one.extension) if known == NOT_AN_IMAGE else None
            yield Inspected(one, sample_id, None, by_name or known)
        else:
            yield Inspected(one, sample_id, known, one.error)


def _open_sandbox(config: IngestConfig) -> Sandbox:
    return Sandbox(inspect_image, config.max_pixels, config.verify == "decode", limits=_limits(config))


def _limits(config: IngestConfig) -> Limits:
    return Limits(config.max_seconds, config.decoding_bytes)


def _open_sandboxes(config: IngestConfig) -> SimpleQueue[Sandbox]:
    free: SimpleQueue[Sandbox] = SimpleQueue()
    for _ in range(SANDBOXES):
        free.put(Sandbox(look_once, config.max_pixels, config.verify == "decode", limits=_limits(config)))
    return free


def _shown(
    images: Iterable[_Tagged], config: IngestConfig, watcher: Watcher
) -> Iterator[tuple[tuple[Found, str | None, int], dict[str, Any] | str | None]]:
    """Yield the verdicts that `Sandbox.map` would give; the watcher sees what is readable, a little before."""
    free = worker_state(_open_sandboxes, config)

    def look(batch: list[_Tagged], views: Sequence[View]) -> list[Verdict]:
        sandbox = free.get()
        try:
            return look_once_guarded(sandbox, [data for _, data in batch if data is not None], views)
        finally:
            free.put(sandbox)

    waiting: deque[tuple[list[_Tagged], Future[list[Verdict]]]] = deque()
    threads = ThreadPoolExecutor(SANDBOXES, thread_name_prefix="look")
    try:
        for batch in batches(images):
            waiting.append((batch, threads.submit(look, batch, watcher.views)))
            if len(waiting) > AHEAD:
                yield from _told(*waiting.popleft(), watcher)
        while waiting:
            yield from _told(*waiting.popleft(), watcher)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _told(
    batch: list[_Tagged], looking: Future[list[Verdict]], watcher: Watcher
) -> Iterator[tuple[tuple[Found, str | None, int], dict[str, Any] | str | None]]:
    verdicts = iter(looking.result())
    for tag, data in batch:
        verdict = None if data is None else next(verdicts)
        if isinstance(verdict, Seen):
            watcher.see(str(tag[1]), verdict.made)
            verdict = verdict.facts
        yield tag, verdict  # type: ignore[misc]  # these sandboxes give no pixels alone


def _distinct(
    found: Iterable[Found], refused: Collection[str], keep_bytes: bool
) -> Iterator[tuple[tuple[Found, str | None, int], bytes | None]]:
    """Give the bytes of a sample with its first occurrence only."""
    seen: set[str] = set(refused)
    last: tuple[bytes, str] | None = None
    for one in found:
        if one.data is None:
            yield (one, None, 0), None
            continue
        # a Parquet dictionary gives one object for many rows
        sample_id = last[1] if last and one.data is last[0] else sample_id_of(one.data)
        last = one.data, sample_id
        n_bytes = len(one.data)
        data = None if sample_id in seen else one.data
        other = None if data is None else other_format(data[:HEAD_BYTES])
        if other is not None:  # not added to what was seen: its next occurrence is told the same
            yield (replace(one, data=None, error=other), sample_id, n_bytes), None
            continue
        seen.add(sample_id)
        needless = data is None and not keep_bytes  # those of a first occurrence are on their way in any case
        yield (replace(one, data=None) if needless else one, sample_id, n_bytes), data
