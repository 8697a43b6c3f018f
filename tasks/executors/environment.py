"""What a worker process must find in its environment before it starts."""

from __future__ import annotations

import os
from pathlib import Path

_VISIBLE = "CUDA_VISIBLE_DEVICES"

# glibc otherwise gives every freed activation back to the system and faults it in again at the next image: with these,
# PyTorch inference on a CPU is about 2.5 times faster. The price: a worker keeps the memory of its largest moment.
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def core_count() -> int:
    """Cores this process may use (its affinity mask, where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_environment(slot: int) -> dict[str, str]:
    """The one GPU that the worker of a slot sees, where this process sees several: they take them in turn."""
    gpus = visible_gpus()
    return {_VISIBLE: gpus[slot % len(gpus)]} if len(gpus) > 1 else {}


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    if _VISIBLE in os.environ:
        return [name.strip() for name in os.environ[_VISIBLE].split(",") if name.strip()]
    # Asking CUDA itself would take a context, hundreds of megabytes, in a process that never computes there.
    return sorted((path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")), key=int)


def worker_environment(n_cores: int, n_workers: int) -> dict[str, str]:
    """Allocator settings and an equal share of the cores, at least one, for each of `n_workers` on `n_cores`.

    NumPy's matrix products (OpenBLAS) get one thread whatever the share: their bytes depend on the number of threads,
    so they would depend on the number of workers. PyTorch's do too on some processors, and those of faiss, which heeds
    OMP_NUM_THREADS only: code that needs the same bytes computes under `one_thread`, or `faiss.omp_set_num_threads(1)`.
    """
    threads = str(max(1, n_cores // n_workers))
    return {**_ALLOCATOR, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
