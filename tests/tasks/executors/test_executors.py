"""One suite over both kinds of executor: what a caller may rely on wherever the work runs."""

import functools
import gc
import importlib.util
import itertools
import operator
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
import workloads

from windrow.tasks.executors import (
    ExecutorConfig,
    LocalExecutor,
    RayExecutor,
    WorkerDiedError,
)

RAY = pytest.param(
    "ray",
    marks=[
        pytest.mark.ray,
        pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install windrow[ray]"),
    ],
)
KINDS = {"local": LocalExecutor, "ray": RayExecutor}


@pytest.fixture(scope="module", params=["local", RAY])
def executor(request):
    with closing(KINDS[request.param](2)) as running:
        yield running


@pytest.fixture
def on_each_worker(executor, tmp_path):
    rounds = itertools.count()

    def ask(function):
        paths = [tmp_path / f"{next(rounds)}" for _ in range(executor.n_workers)]
        return list(executor.map(workloads.meet, paths, paths, function))

    return ask


def test_run_returns_the_result_of_another_process(executor):
    assert executor.run(operator.sub, 7, 3) == 4
    assert executor.run(os.getpid) != os.getpid()


def test_workers_work_at_the_same_time(executor, on_each_worker):
    assert executor.n_workers == 2
    assert len(set(on_each_worker(os.getpid))) == 2


def test_map_yields_in_the_order_of_the_items(executor):
    assert list(executor.map(pow, range(100), 2)) == [value * value for value in range(100)]
    assert list(executor.map(pow, [], 2)) == []


def test_map_takes_two_items_a_worker_ahead(executor):
    taken = []
    squares = executor.map(workloads.square, (taken.append(value) or value for value in itertools.count()))
    assert [next(squares), next(squares), next(squares)] == [0, 1, 4]
    assert taken == [0, 1, 2, 3, 4, 5]
    squares.close()


def test_leaving_a_map_early_drops_the_calls_whose_turn_has_not_come(executor, tmp_path, on_each_worker):
    gate, open_gate = tmp_path / "gate", tmp_path / "open"
    open_gate.touch()
    first, second, third, fourth = [tmp_path / f"call {number}" for number in range(4)]
    results = executor.map(workloads.pass_gate, [(first, open_gate), (second, gate), (third, gate), (fourth, gate)])
    next(results)
    workloads.wait_for(second)
    workloads.wait_for(third)
    results.close()
    gate.touch()
    on_each_worker(os.getpid)  # behind the fourth in the queue, so had it not been dropped it would be there
    assert not fourth.exists()


def test_an_error_keeps_its_type_and_tells_where_it_was_raised(executor):
    with pytest.raises(ValueError, match="no such shard: 7") as caught:
        executor.run(workloads.raise_value_error, 7)
    assert "workloads.py" in caught.value.__notes__[0]


def test_an_error_in_a_map_comes_after_the_results_before_it(executor):
    results = executor.map(workloads.raise_on_two, range(9))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LookupError, match="2"):
        next(results)


def test_an_error_that_cannot_be_pickled_arrives_as_its_text(executor):
    with pytest.raises(RuntimeError, match="UnpicklableError: tar at byte 512"):
        executor.run(workloads.raise_unpicklable)
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        executor.run(sys.exit, 3)


def test_what_cannot_travel_is_refused_and_harms_nothing(executor):
    def in_main():
        return 1

    in_main.__module__ = "__main__"
    with pytest.raises(ValueError, match="function: wants one of an importable module"):
        executor.run(in_main)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        executor.run(abs, lambda: 1)
    with pytest.raises(TypeError, match="cannot pickle"):
        executor.run(threading.Lock)
    assert executor.run(abs, -1) == 1


def test_a_killed_worker_raises_and_is_replaced(executor, on_each_worker):
    before = set(on_each_worker(os.getpid))
    with pytest.raises(WorkerDiedError):
        executor.run(workloads.die)
    with pytest.raises(WorkerDiedError):
        executor.run(workloads.exit_with, 3)
    after = set(on_each_worker(os.getpid))
    assert len(after) == 2
    assert after != before


def test_a_killed_worker_ends_a_map_after_the_results_before_it(executor):
    results = executor.map(workloads.die_on_three, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(WorkerDiedError):
        next(results)


def test_a_killed_worker_leaves_the_call_of_another_thread_alone(executor, tmp_path):
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(executor.run, workloads.meet, tmp_path / "here", [tmp_path / "gate"])
        workloads.wait_for(tmp_path / "here")
        with pytest.raises(WorkerDiedError):
            executor.run(workloads.die)
        (tmp_path / "gate").touch()
        assert other.result(timeout=30) > 0


def test_four_threads_get_each_their_own_results(executor):
    def cubes(start):
        return list(executor.map(pow, range(start, start + 50), 3))

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(cubes, [0, 100, 200, 300]))
    assert results == [[value**3 for value in range(start, start + 50)] for start in [0, 100, 200, 300]]


def test_workers_killed_under_four_threads_hang_none_of_them(executor):
    def attempt(value):
        try:
            return executor.run(workloads.die_on_three, value)
        except WorkerDiedError:
            return "died"

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(attempt, [0, 1, 3, 4, 3, 5, 6, 7], timeout=60))
    assert results == [0, 1, "died", 4, "died", 5, 6, 7]


def test_a_broadcast_arrives_as_its_value_wherever_it_lies_in_the_arguments(executor):
    table = executor.broadcast({"values": np.arange(6.0).reshape(3, 2)})
    assert list(executor.map(workloads.table_row, range(3), table)) == [
        ([0.0, 1.0], False),
        ([2.0, 3.0], False),
        ([4.0, 5.0], False),
    ]
    assert executor.run(len, [table, table, table]) == 3
    assert executor.run(operator.itemgetter("name"), {"name": "a", "table": table}) == "a"


def test_a_broadcast_is_shipped_once_to_each_worker(executor):
    counted = executor.broadcast(workloads.Counted(np.ones(1000)))
    seen = set(executor.map(workloads.pid_and_arrivals, range(60), counted))
    assert {total for _, _, total in seen} == {1000.0}
    assert len(seen) == len({pid for pid, _, _ in seen}) <= 2


def test_workers_forget_a_broadcast_that_nobody_refers_to(executor, on_each_worker):
    gc.collect()
    table = executor.broadcast({"values": np.arange(6.0).reshape(3, 2)})
    assert len(list(executor.map(workloads.table_row, range(3), table))) == 3
    assert max(on_each_worker(workloads.held_values)) == 1
    del table
    assert on_each_worker(workloads.held_values) == [0, 0]


def test_a_broadcast_of_another_executor_is_refused(executor):
    with closing(LocalExecutor(1)) as other:
        foreign = other.broadcast(1)
        with pytest.raises(ValueError, match="Broadcast of another executor"):
            executor.run(abs, foreign)
        with pytest.raises(ValueError, match="travels only inside the arguments"):
            pickle.dumps(foreign)


def test_a_worker_makes_its_state_once(executor):
    seen = set(executor.map(workloads.backbone_of, ["mobilenet"] * 20))
    pids = {pid for pid, _, _ in seen}
    assert len(seen) == len(pids) <= 2
    assert {made for _, _, made in seen} == {1}


def test_the_environment_is_there_when_a_worker_starts(executor):
    environment = executor.run(workloads.environment_at_start)
    assert environment["MALLOC_MMAP_MAX_"] == "0"
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "8589934592"
    assert environment["MALLOC_TOP_PAD_"] == "268435456"
    cores = len(os.sched_getaffinity(0)) if type(executor) is LocalExecutor else 2
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == str(max(1, cores // 2))
    assert "MALLOC_MMAP_MAX_" not in os.environ


def test_a_reduction_has_the_same_bytes_whatever_the_workers(executor):
    seeds = range(40)
    sums = [workloads.shard_sum(seed) for seed in seeds]
    expected = np.float32(sum(sums[1:], start=sums[0])).tobytes()
    assert np.float32(sum(sums[-2::-1], start=sums[-1])).tobytes() != expected
    with closing(type(executor)(1)) as single:
        for each in (single, executor):
            total = functools.reduce(operator.add, each.map(workloads.shard_sum, seeds))
            assert total.tobytes() == expected
        # BLAS may split a product among the threads of a worker, and a single worker has more of them
        assert single.run(workloads.scatter_matrix, 0) == executor.run(workloads.scatter_matrix, 0)


def test_closing_ends_the_calls_of_other_threads(executor, tmp_path):
    single = type(executor)(1)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(single.run, workloads.meet, tmp_path / "here", [tmp_path / "never"])
        workloads.wait_for(tmp_path / "here")
        waiting = threads.submit(single.run, abs, -1)
        while single._jobs.empty():
            pass
        single.close()
        for call in (running, waiting):
            with pytest.raises(WorkerDiedError):
                call.result(timeout=30)
    with pytest.raises(ValueError, match="executor: it is closed"):
        single.run(abs, -1)
    with pytest.raises(ValueError, match="executor: it is closed"):
        single.broadcast(1)
    single.close()
    assert executor.run(abs, -1) == 1


@pytest.mark.parametrize("kind", [LocalExecutor, RayExecutor])
def test_a_negative_number_of_workers_is_refused(kind):
    with pytest.raises(ValueError, match=r"n_workers: wants 0 .* got -1"):
        kind(-1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "dask"}, "kind: .*'dask'"),
        ({"n_workers": -2}, "n_workers: .*-2"),
        ({"address": "head:6379"}, "address: only Ray .*'head:6379'"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ExecutorConfig(**fields)
