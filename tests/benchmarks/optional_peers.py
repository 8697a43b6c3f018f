"""Peers of the clustering that are not in the lock: `pip install --no-deps superkmeans fastkmeans pt-kmeans`.

Each as it comes, but on all points, until it stops by its own rule or after n_iters iterations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from clustering_peers import Fit, Floats


def super_kmeans(points: Floats, k: int, n_iters: int, seed: int = 0) -> Fit:
    """CWI's SuperKMeans (Kuffo and others 2026): prunes by ADSampling on rotated dimensions, uniform seeds."""
    from superkmeans import SuperKMeans

    model = SuperKMeans(
        k, points.shape[1], hierarchical=False, iters=n_iters, sampling_fraction=1.0, seed=seed, verbose=False
    )
    started = time.perf_counter()
    centroids = model.train(points)
    return Fit(centroids, time.perf_counter() - started, len(model.iteration_stats) or n_iters)


def fast_kmeans(points: Floats, k: int, n_iters: int, seed: int = 0) -> Fit:
    """AnswerDotAI's fastkmeans: PyTorch's products in blocks, uniform seeds."""
    from fastkmeans import FastKMeans

    model = FastKMeans(points.shape[1], k, niter=n_iters, gpu=False, seed=seed, use_triton=False)
    started = time.perf_counter()
    model.train(points)
    return Fit(model.centroids, time.perf_counter() - started, n_iters)


def pt_kmeans(points: Floats, k: int, n_iters: int, seed: int = 0) -> Fit:
    """pt_kmeans: PyTorch, greedy k-means++ over all points."""
    from pt_kmeans import kmeans

    started = time.perf_counter()
    centroids, _ = kmeans(torch.from_numpy(points), k, max_iters=n_iters, random_seed=seed)
    return Fit(centroids.numpy(), time.perf_counter() - started, n_iters)


PEERS: dict[str, Callable[..., Fit]] = {"superkmeans": super_kmeans, "fastkmeans": fast_kmeans, "pt-kmeans": pt_kmeans}


def installed() -> dict[str, Callable[..., Fit]]:
    """Those that are installed, by name and version."""
    found = {}
    for name, maker in PEERS.items():
        try:
            found[f"{name} {version(name)}"] = maker
        except PackageNotFoundError:
            continue
    return found
