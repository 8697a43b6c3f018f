"""Which task runs are worth another try: those that failed on I/O, never those whose work was wrong."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

# A missing file or a closed door stays so; the rest (networks, disks, a worker that died) may pass.
PERMANENT = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)


def failed_on_io(task: Any, task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  (Prefect's signature)
    """Say whether a failed task run may succeed if it is run again."""
    try:
        state.result()
    except PERMANENT:
        return False
    except OSError:
        return True
    except BaseException:
        return False
    return False


# Fingerprints decide what is done, so Prefect's own cache is off: its key costs more than finding the output does.
IO_TASK: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": failed_on_io,
}
COMPUTE_TASK: dict[str, Any] = {"cache_policy": NO_CACHE}
