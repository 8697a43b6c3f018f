"""The GPU's code, on a GPU where there is one, and on PyTorch's CPU device ('cpu:0') everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.torch_search import TorchBlock, TorchSearch, _split

no_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, no_gpu])
DEVICES = pytest.mark.parametrize("device", ["cpu:0", "cpu:0,cpu:0", GPU])


def mixture(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(20, d))[rng.integers(0, 20, n)] + rng.normal(size=(n, d))).astype(np.float32)


@DEVICES
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_clusters_are_those_of_the_cpu_to_the_byte(device: str, dtype: type):
    points = mixture(9000, 24).astype(dtype)  # more than a sample for seeding
    host, there = (kmeans(points, 60, seed=3, n_iters=12, resources=Resources(at)) for at in ("cpu", device))
    assert host.assignment.tobytes() == there.assignment.tobytes()
    assert host.centroids.tobytes() == there.centroids.tobytes()
    assert host.distance.tobytes() == there.distance.tobytes()


@DEVICES
def test_a_hierarchy_is_that_of_the_cpu(device: str):
    points = mixture(1500, 12)
    host, there = (
        hierarchical_kmeans(points, (90, 12), n_rounds=2, seed=0, resources=Resources(at)) for at in ("cpu", device)
    )
    assert host.paths.tobytes() == there.paths.tobytes()


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 70), k=st.integers(1, 40), d=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_points_on_a_grid_with_many_ties_go_where_they_go_on_the_cpu(n: int, k: int, d: int, seed: int):
    rng = np.random.default_rng(seed)
    points = rng.integers(-3, 4, size=(n, d)).astype(np.float32)
    centroids = rng.integers(-3, 4, size=(k, d)).astype(np.float32)
    host, there = (assign(points, centroids, resources=Resources(at)) for at in ("cpu", "cpu:0"))
    assert host[0].tolist() == there[0].tolist()
    assert host[1].tolist() == there[1].tolist()


@DEVICES
def test_scores_are_within_their_error_of_the_exact_ones(device: str):
    device = device.split(",")[0]
    points, centroids = mixture(400, 300), mixture(50, 300, seed=1) * np.float32(3)
    origin = points.mean(axis=0)
    block = TorchBlock.of(slice(0, 400), points, origin, device)
    search = TorchSearch(centroids, origin, [device])
    winner, best, second = search.best_two(block, np.full(400, -1, np.int32))
    shifted, there = (points - origin).astype(np.float64), (centroids - origin).astype(np.float64)
    exact = np.square(there).sum(axis=1) / 2 - shifted @ there.T
    two = np.sort(exact, axis=1)[:, :2]
    error = search.error(block.length, np.full(400, np.inf, np.float32))
    assert (np.abs(best - exact[np.arange(400), winner]) <= error).all()
    assert (np.abs(np.stack([best, second], axis=1) - two) <= error[:, None]).all()
    assert error.max() < 1e-3 * np.abs(exact).max()  # a bound that says something


def test_a_number_is_split_into_two_of_bfloat16():
    x = torch.tensor([1 / 3, -1e-3, 12345.678, 0.0])
    high, low = _split(x)
    assert high.dtype == low.dtype == torch.bfloat16
    torch.testing.assert_close(high.float() + low.float(), x, rtol=2**-16, atol=0)


def test_a_device_that_is_not_there_says_so():
    with pytest.raises(ValueError, match="device: expected 'cpu' or torch devices, got 'gpu'"):
        kmeans(mixture(20, 3), 2, resources=Resources("gpu"))
