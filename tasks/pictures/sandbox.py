"""A process that looks at images for this one: a decoder that crashes, hangs or eats memory costs one image, not a run.

The process is a fresh interpreter, not a fork: this one may have threads. It lives as long as it can, so an image costs
little more than in this process, and the images ahead are decoded while the caller is busy with other things. Its
answers are JSON: nothing that has been near the data is unpickled here.

Ingest decodes every distinct sample here, and so does whoever wants its pixels later (`guarded.py`). The memory that
all these processes may have together is the machine's (`machine_memory.py`).

Where the system has no resource limits (Windows), everything runs in the calling process, without protection.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Self, TypeVar

from windrow.tasks.pictures.sandbox_process import NO_MEMORY, Process, death
from windrow.tasks.pictures.sandbox_worker import Pixels, Seen, answer

Tag = TypeVar("Tag")
Verdict = dict[str, Any] | str | Pixels | Seen

CAN_LIMIT = importlib.util.find_spec("resource") is not None
BATCH_IMAGES = 16  # two batches of the longest answers must fit into a socket's buffer, or both sides wait to send
BATCH_BYTES = 2**18


@dataclass(frozen=True)
class Limits:
    """What an image may cost: `seconds` of wall time, `memory_bytes` more than the process has when it starts."""

    seconds: float
    memory_bytes: int

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds: wants more than 0, got {self.seconds}")
        if self.memory_bytes < 1:
            raise ValueError(f"memory_bytes: wants 1 or more, got {self.memory_bytes}")


@dataclass(frozen=True)
class _Failed:
    """The process ended, or ran out of memory, over an image."""

    reason: str


class Sandbox:
    """Calls `function(data, *args)` on images in another process, started at the first image and again when it died.

    The function is one of an importable module. It returns a dataclass (or dict) of values that JSON can hold, less
    than 4 KB in all, or raises UnreadableImage. Used by one thread at a time; a second one gets a process of its own.
    """

    def __init__(self, function: Callable[..., Any], *args: Any, limits: Limits) -> None:
        self._function, self._args, self._limits = function, args, limits
        self._process: Process | None = None
        self._busy = threading.Lock()

    def map(self, images: Iterable[tuple[Tag, bytes | None]]) -> Iterator[tuple[Tag, Verdict | None]]:
        """Yield for each (tag, bytes), in order, the tag with the function's result as a dict or the reason as a str.

        Where there are no bytes there is no verdict: None. Up to two batches of BATCH_IMAGES are taken from `images`
        before their turn. Reasons of the sandbox: 'decoder crashed (SIGSEGV)', 'decoder took longer than 60 s', 'not
        enough memory to decode it'; an image gets one when it fails again as the first of a fresh process.

        Raises RuntimeError when the function raises anything but UnreadableImage, or when the process does not start.
        """
        if not CAN_LIMIT:
            for tag, data in images:
                yield tag, None if data is None else _verdict(self._here(data))
        elif self._busy.acquire(blocking=False):
            try:
                yield from self._map(images)
            finally:
                self._busy.release()
        else:
            with Sandbox(self._function, *self._args, limits=self._limits) as another:
                yield from another.map(images)

    def look(self, images: Sequence[bytes], *more: Any) -> list[Verdict]:
        """Return the verdicts on some images, in order; they may be Pixels or Seen. A second thread waits for its turn.

        The function is called with `more`, too. Raises RuntimeError, as `map` does.
        """
        if not CAN_LIMIT:
            return [_verdict(self._here(data, more)) for data in images]
        with self._busy:
            try:
                pickled = pickle.dumps(more)
                self._send(images, pickled)
                outcomes = self._receive(len(images))
                failed = [data for data, outcome in zip(images, outcomes, strict=True) if isinstance(outcome, _Failed)]
                again = self._one_by_one(failed, pickled)
                return [_verdict(next(again) if isinstance(outcome, _Failed) else outcome) for outcome in outcomes]
            except BaseException:  # answers that were not taken would be taken for those to other images
                self.close()
                raise

    def close(self) -> None:
        """End the process; a later `map` starts another."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _map(self, images: Iterable[tuple[Tag, bytes | None]]) -> Iterator[tuple[Tag, Verdict | None]]:
        ahead: deque[list[tuple[Tag, bytes | None]]] = deque()
        try:
            for batch in batches(images):
                ahead.append(batch)
                self._send([data for _, data in batch if data is not None])
                if len(ahead) > 1:  # while one batch is looked at the next is on its way
                    yield from self._take(ahead)
            while ahead:
                yield from self._take(ahead)
        finally:
            if ahead:  # its answers would be taken for those to other images
                self.close()

    def _take(self, ahead: deque[list[tuple[Tag, bytes | None]]]) -> Iterator[tuple[Tag, Verdict | None]]:
        batch, *others = ([data for _, data in batch if data is not None] for batch in ahead)
        outcomes = self._receive(len(batch))
        again = [data for data, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, _Failed)]
        if again:
            repeated = list(self._one_by_one(again))
            outcomes = [repeated.pop(0) if isinstance(outcome, _Failed) else outcome for outcome in outcomes]
            for other in others:
                self._send(other)
        for tag, data in ahead.popleft():
            yield tag, None if data is None else _verdict(outcomes.pop(0))

    def _one_by_one(self, images: list[bytes], more: bytes = b"") -> Iterator[Verdict | _Failed]:
        """Look again at what failed. It may be an earlier image's fault, so a fresh process has the last word."""
        if images:
            self.close()
        for data in images:
            is_fresh = self._process is None
            outcome = self._ask(data, more)
            if isinstance(outcome, _Failed) and not is_fresh:
                self.close()
                outcome = self._ask(data, more)
            if isinstance(outcome, _Failed):
                self.close()
            yield outcome

    def _here(self, data: bytes, more: tuple[Any, ...] = ()) -> Verdict | _Failed:
        pixels: list[Pixels] = []
        kind, value = json.loads(answer(self._function, (*self._args, *more), data, pixels))
        return self._outcome(kind, value, iter([memoryview(one.data) for one in pixels]))

    def _ask(self, data: bytes, more: bytes) -> Verdict | _Failed:
        self._send([data], more)
        return self._receive(1)[0]

    def _send(self, images: Sequence[bytes], more: bytes = b"") -> None:
        if self._process is None:
            self._process = Process(pickle.dumps((self._function, self._args, *astuple(self._limits))))
        self._process.send(more, images)

    def _receive(self, n_images: int) -> list[Verdict | _Failed]:
        process = self._process
        if process is None:
            raise RuntimeError("sandbox: closed while it was in use")
        received = process.receive()
        if isinstance(received, int):
            self._process = None
            return [_Failed(death(received, self._limits.seconds))] * n_images
        pixels = iter(received[1])
        return [self._outcome(kind, value, pixels) for kind, value in json.loads(received[0])]

    def _outcome(self, kind: str, value: Any, pixels: Iterator[memoryview]) -> Verdict | _Failed:
        """Say what an answer means; `pixels` are those of this answer and the next ones."""
        if kind == "pixels":
            return Pixels(tuple(value), next(pixels))
        if kind == "seen":
            made = (one if isinstance(one, str) else Pixels(tuple(one), next(pixels)) for one in value[1])
            return Seen(value[0], tuple(made))
        if kind == "error":
            raise RuntimeError(f"{self._function.__qualname__} failed in the sandbox:\n{value}")
        verdict: Verdict = value
        return _Failed(NO_MEMORY) if kind == "no memory" else verdict


def batches(images: Iterable[tuple[Tag, bytes | None]]) -> Iterator[list[tuple[Tag, bytes | None]]]:
    """Cut images into what a sandbox is asked for at once."""
    batch: list[tuple[Tag, bytes | None]] = []
    n_bytes = 0
    for tag, data in images:
        batch.append((tag, data))
        n_bytes += len(data or b"")
        if len(batch) == BATCH_IMAGES or n_bytes >= BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _verdict(outcome: Verdict | _Failed) -> Verdict:
    return outcome.reason if isinstance(outcome, _Failed) else outcome
