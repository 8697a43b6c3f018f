"""State that a worker makes once and keeps, such as a loaded backbone."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

State = TypeVar("State")

MAX_STATES = 8


def worker_state(factory: Callable[..., State], *args: Hashable) -> State:
    """`factory(*args)`, made at the first call in this process and kept for the later ones.

    Call it inside a function that runs in an executor: `worker_state(load_backbone, config).embed(images)`. A process
    keeps the `MAX_STATES` most recently used states and makes an older one anew, so a factory must give the same state
    each time. Raises ValueError for arguments that cannot be hashed.
    """
    try:
        hash((factory, args))
    except TypeError as error:
        raise ValueError(f"args: worker_state wants hashable arguments, got {args!r}") from error
    return cast(State, _made(factory, *args))


# typed, or a state made for 1 would answer for True and 1.0
@lru_cache(maxsize=MAX_STATES, typed=True)
def _made(factory: Callable[..., Any], *args: Hashable) -> Any:
    return factory(*args)
