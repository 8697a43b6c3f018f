"""The calls of a stage in this process, one after the other: no worker to start, and a debugger sees all."""

from __future__ import annotations

from typing import Any

from windrow.tasks.executors.calls import Call, answer
from windrow.tasks.executors.worker_pool import PooledExecutor


class InlineExecutor(PooledExecutor):
    """One thread of this process, which loads what workers would load. A call under way cannot be ended."""

    def __init__(self) -> None:
        super().__init__(1, _Here())


class _Here:
    def start(self, slot: int) -> _Here:  # noqa: ARG002
        return self

    def ask(self, call: Call) -> bytes:
        return answer(call, lambda value: value)

    def kill(self) -> None:
        """Let the call under way come to its end."""

    def store(self, value: Any) -> Any:
        return value

    def discard(self, source: Any) -> None:
        """Keep nothing: the value goes with its last reference."""

    def close(self) -> None:
        """Hold nothing that would have to be freed."""
