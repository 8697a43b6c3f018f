"""What can be known about the Ray executor without a cluster."""

import sys

import pytest

from windrow.tasks.executors import ExecutorConfig, RayExecutor, open_executor
from windrow.tasks.executors.ray import actor_options


def test_a_missing_ray_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install windrow\[ray\]"):
        RayExecutor(1)
    with pytest.raises(ImportError, match=r"pip install windrow\[ray\]"):
        open_executor(ExecutorConfig("ray", 1))


@pytest.mark.parametrize(
    ("n_workers", "n_gpus", "share"),
    [(2, 0, 0), (1, 1, 1), (2, 3, 1), (4, 4, 1), (3, 2, 0.5), (5, 2, 1 / 3), (8, 1, 1 / 8)],
)
def test_every_worker_gets_the_largest_share_of_one_gpu_that_lets_all_fit(n_workers, n_gpus, share):
    assert actor_options(n_workers, 16, n_gpus, reserve_cores=True)["num_gpus"] == share


@pytest.mark.parametrize(("n_workers", "n_cores", "share"), [(2, 8, 1), (8, 8, 1), (16, 8, 0.5), (4, 0, 1)])
def test_workers_fit_in_the_cores_of_a_cluster(n_workers, n_cores, share):
    assert actor_options(n_workers, n_cores, 0, reserve_cores=True)["num_cpus"] == share
    assert actor_options(n_workers, n_cores, 0, reserve_cores=False)["num_cpus"] == 0
