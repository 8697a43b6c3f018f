"""The executor seam: run a function elsewhere, keep state in workers, broadcast a value, reduce in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, Protocol, TypeVar

from annotated_types import Ge

from windrow.schemas.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class ExecutorConfig(Settings):
    """Where the work of a stage runs. Results do not depend on it.

    `kind`: 'local' (a pool of processes), 'ray' (actors; needs the `ray` extra) or 'inline' (the process of the run,
    one call at a time: for debugging, or where memory is short). `n_workers`: processes or actors, 0 for one a core.
    `address`: of a Ray cluster; null starts a local one.
    """

    kind: Literal["local", "ray", "inline"] = "local"
    n_workers: Annotated[int, Ge(0)] = 0
    address: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and self.kind != "ray":
            raise ValueError(f"address: only Ray has one, got {self.address!r} with kind {self.kind!r}")


class WorkerDiedError(OSError):
    """A worker process ended without an answer (killed, out of memory). It is replaced: run the call once more."""


class Broadcast:
    """Stands for a value that the workers of one executor hold. Freed there once nothing refers to it any more."""

    __slots__ = ("__weakref__", "token")

    def __init__(self, token: int) -> None:
        self.token = token

    def __reduce__(self) -> NoReturn:
        raise ValueError("Broadcast: travels only inside the arguments of the executor that made it")


class Executor(Protocol):
    """Runs plain functions of importable modules in worker processes. Safe to call from several threads at once.

    A function that raises, raises the same error in the caller, with the worker's traceback as a note; an error that
    cannot be pickled becomes a RuntimeError with its text. A worker that dies raises `WorkerDiedError` in the one
    caller that waits for it. A closed executor raises ValueError.
    """

    @property
    def n_workers(self) -> int:
        """Number of workers."""
        ...

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Run `function(*args)` in some worker and wait for its result.

        A `Broadcast` anywhere in the arguments arrives as its value. Raises ValueError for a function of `__main__`,
        which workers do not import, and for a `Broadcast` of another executor.
        """
        ...

    def map(self, function: Callable[..., Result], items: Iterable[Any], *args: Any) -> Iterator[Result]:
        """Yield `function(item, *args)` for every item, in the order of the items.

        Takes at most `2 * n_workers` items ahead. The first error ends it, and ending it early drops the items whose
        turn has not come.
        """
        ...

    def broadcast(self, value: Any) -> Broadcast:
        """Send a value to the workers once; pass what this returns inside the arguments of `run` and `map`.

        NumPy arrays inside it arrive read-only, in memory that the workers of a machine share.
        """
        ...

    def close(self) -> None:
        """End the workers now. Calls still waiting, in other threads, raise `WorkerDiedError`."""
        ...
