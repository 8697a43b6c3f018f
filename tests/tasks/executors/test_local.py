"""What only processes on this machine do."""

import os
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import closing

import numpy as np
import pytest
import workloads

from windrow.tasks.executors import (
    ExecutorConfig,
    LocalExecutor,
    WorkerDiedError,
    close_executors,
    open_executor,
)
from windrow.tasks.executors.environment import worker_environment

PARENT = """
import sys, threading
from windrow.tasks.executors import LocalExecutor
import workloads
names = ("idle", "idle too", "busy", "held", "never")
idle, idle_too, busy, held, never = [f"{sys.argv[1]}/{name}" for name in names]
executor = LocalExecutor(3)
list(executor.map(workloads.meet, [idle, idle_too], [idle, idle_too]))
threading.Thread(target=executor.run, args=(workloads.meet, busy, [never]), daemon=True).start()
workloads.wait_for(busy)
threading.Thread(target=executor.run, args=(workloads.hold_the_interpreter, held), daemon=True).start()
workloads.wait_for(held)
if sys.argv[2] == "is killed":
    workloads.die()
"""


@pytest.mark.parametrize(
    ("visible", "seen"), [("3,5", {"3", "5"}), ("4", {"4"}), ("", {""}), ("GPU-a, GPU-b, GPU-c", {"GPU-a", "GPU-b"})]
)
def test_workers_take_the_visible_gpus_in_turn(tmp_path, monkeypatch, visible, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    paths = [str(tmp_path / name) for name in ("one", "two")]
    with closing(LocalExecutor(2)) as executor:
        assert set(executor.map(workloads.meet, paths, paths, workloads.visible_gpus)) == seen


def test_a_worker_that_died_is_replaced_on_its_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,8")
    with closing(LocalExecutor(1)) as executor:
        assert executor.run(workloads.visible_gpus) == "7"
        with pytest.raises(WorkerDiedError):
            executor.run(workloads.die)
        assert executor.run(workloads.visible_gpus) == "7"


@pytest.mark.parametrize(("how", "code"), [("is killed", -9), ("exits", 0)])
def test_workers_end_with_their_parent(tmp_path, how, code):
    command = [sys.executable, "-c", PARENT, str(tmp_path), how]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    parent = subprocess.run(command, stdout=subprocess.PIPE, env=environment, timeout=30, check=False)
    # the workers hold the other end of stdout too, so to read it to its end is to wait for theirs
    assert parent.returncode == code
    assert (tmp_path / "busy").exists()


def test_ctrl_c_is_left_to_the_parent():
    with closing(LocalExecutor(1)) as executor:
        assert executor.run(workloads.interrupt_me) == "still here"


def test_a_worker_imports_only_what_its_work_needs():
    with closing(LocalExecutor(1)) as executor:
        loaded = executor.run(workloads.loaded_modules)
    assert "numpy" in loaded
    assert loaded.isdisjoint({"torch", "prefect", "ray", "pytest"})


def test_how_a_worker_ended_is_told():
    with closing(LocalExecutor(1)) as executor:
        with pytest.raises(WorkerDiedError, match="was killed"):
            executor.run(workloads.die)
        with pytest.raises(WorkerDiedError, match="ended with exit code 3"):
            executor.run(workloads.exit_with, 3)
        with pytest.raises(WorkerDiedError, match="ended by SIGABRT"):
            executor.run(os.abort)


def test_a_broadcast_is_one_file_that_workers_map_until_nobody_refers_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(LocalExecutor(1)) as executor:
        table = executor.broadcast({"values": np.zeros((1000, 100))})
        kept = executor.broadcast(np.zeros(10))
        executor.run(workloads.table_row, 0, table)
        assert str(tmp_path) in executor.run(workloads.mapped_files)
        assert len(list(tmp_path.glob("*/*"))) == 2
        executor.run(workloads.table_row, 0, table)
        gone = threading.Event()
        weakref.finalize(table, gone.set)
        del table
        # the thread that took the call lets go of it a moment after its answer
        assert gone.wait(10)
        assert len(list(tmp_path.glob("*/*"))) == 1
        assert str(tmp_path) not in executor.run(workloads.mapped_files)
    assert list(tmp_path.iterdir()) == []
    del kept


def test_an_open_executor_is_the_same_one_until_it_is_closed():
    config = ExecutorConfig("local", 1)
    first = open_executor(config)
    try:
        assert open_executor(ExecutorConfig("local", 1)) is first
        assert open_executor(ExecutorConfig("local", 2)).n_workers == 2
        first.close()
        second = open_executor(config)
        assert second is not first
        assert second.run(abs, -1) == 1
    finally:
        close_executors()
    with pytest.raises(ValueError, match="closed"):
        second.run(abs, -1)


def test_no_workers_named_means_one_a_core():
    with closing(LocalExecutor()) as executor:
        assert executor.n_workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("n_cores", "n_workers", "threads"), [(8, 3, "2"), (8, 8, "1"), (2, 5, "1"), (4, 1, "4")])
def test_cores_are_shared_out_evenly_and_never_to_nothing(n_cores, n_workers, threads):
    environment = worker_environment(n_cores, n_workers)
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == threads
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
