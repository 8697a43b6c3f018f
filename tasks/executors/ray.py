"""Ray actors, on this machine or on a cluster. Needs the `ray` extra."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from windrow.tasks.executors.calls import Call, answer
from windrow.tasks.executors.environment import core_count, worker_environment
from windrow.tasks.executors.executor import WorkerDiedError
from windrow.tasks.executors.worker_pool import PooledExecutor

# Of a local cluster: room for broadcast values and calls under way. Ray's own choice is 30 % of the machine;
# beyond this it spills to disk.
OBJECT_STORE_BYTES = 1 << 30

# How long an actor may wait for room in a cluster, which may have to add a machine first
START_SECONDS = 600


class RayExecutor(PooledExecutor):
    """Ray actors, each with an equal share of the cores and GPUs that the cluster has when this starts.

    `n_workers`: 0 for one a core of the cluster. `address`: 'host:port' of a running cluster, or 'auto'; None starts
    one on this machine that ends with `close`, unless this process is connected to a cluster already: then it uses
    that. A remote cluster needs the same environment, Windrow included, on every machine.

    GPUs: with no more workers than GPUs each worker has one of its own; with more they share, at most
    `ceil(n_workers / gpus)` to a GPU. GPUs, and cores of a cluster with an address, are held until `close`; a call that
    finds no room for its worker in START_SECONDS raises RuntimeError.
    """

    def __init__(self, n_workers: int = 0, address: str | None = None) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers: wants 0 (one a core) or more, got {n_workers}")
        ray = _import_ray(local=address is None)
        owns_cluster = not ray.is_initialized()
        if owns_cluster:
            _connect(ray, n_workers or core_count(), address)
        resources = ray.cluster_resources()
        n_cores = int(resources.get("CPU", 0))
        n_workers = n_workers or max(1, n_cores)
        options = actor_options(n_workers, n_cores, int(resources.get("GPU", 0)), reserve_cores=address is not None)
        super().__init__(n_workers, _RayHost(ray, options, owns_cluster))


def actor_options(n_workers: int, n_cores: int, n_gpus: int, reserve_cores: bool) -> dict[str, Any]:
    """What one of `n_workers` actors asks of a cluster with so many cores and GPUs, so that all of them fit.

    On a single machine there is no place to choose, so no cores are reserved: two executors can run side by side.
    """
    share = min(1.0, n_cores / n_workers) if n_cores else 1.0  # a cluster that scales from nothing has no cores yet
    return {
        "num_cpus": share if reserve_cores else 0,
        "scheduling_strategy": "SPREAD",
        # an actor's share lies on one GPU: two workers on three GPUs get one each, three on two get half of one
        "num_gpus": 1 / -(-n_workers // n_gpus) if n_gpus else 0,
        "max_restarts": 0,
        "runtime_env": {"env_vars": worker_environment(n_cores, n_workers)},
    }


def _import_ray(local: bool) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local:
        # Ray otherwise writes a token into the home directory
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        import ray
    except ImportError as error:
        raise ImportError("executor.kind 'ray' needs Ray: pip install windrow[ray]") from error
    return ray


def _connect(ray: Any, n_cores: int, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address is not None:
        ray.init(address=address, **quiet)
    else:
        ray.init(
            address="local",
            num_cpus=n_cores,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            **quiet,
        )


class _RayHost:
    def __init__(self, ray: Any, options: dict[str, Any], owns_cluster: bool) -> None:
        self._ray = ray
        self._actors = ray.remote(_Actor).options(**options)
        self._owns_cluster = owns_cluster

    def start(self, slot: int) -> _RayWorker:  # noqa: ARG002  (Ray shares the GPUs out itself)
        return _RayWorker(self._ray, self._actors.remote(sys.path))

    def store(self, value: Any) -> Any:
        return self._ray.put(value)

    def discard(self, source: Any) -> None:
        pass  # Ray frees an object when its last reference goes

    def close(self) -> None:
        if self._owns_cluster:
            self._ray.shutdown()


class _RayWorker:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self._started = actor.ready.remote()

    def ask(self, call: Call) -> bytes:
        try:
            self._ray.get(self._started, timeout=START_SECONDS)
            outcome: bytes = self._ray.get(self._actor.answer.remote(call))
        except self._ray.exceptions.GetTimeoutError as error:
            raise RuntimeError(f"no room in the Ray cluster for a worker in {START_SECONDS} s") from error
        except self._ray.exceptions.RayError as error:
            self.kill()
            raise WorkerDiedError(f"a Ray actor died: {error}") from error
        return outcome

    def kill(self) -> None:
        self._ray.kill(self._actor)


class _Actor:
    def __init__(self, path: list[str]) -> None:
        # as in a local worker, functions are found where the caller finds them, if it is there on this machine
        sys.path.extend(folder for folder in path if folder not in sys.path)

    def ready(self) -> None:
        """Answers once the actor runs."""

    def answer(self, call: Call) -> bytes:
        import ray

        return answer(call, ray.get)
