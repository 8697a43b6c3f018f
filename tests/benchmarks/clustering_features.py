"""k-means of real embeddings, beside whatever peers are installed: a table of `bench_clustering.py`.

Seconds are of CPU on one thread, so that a busy machine tells nearly what a quiet one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import clustering_peers as peers
import faiss
import numpy as np
import torch
from clustering_peers import Fit, Floats
from flat_clustering import inertia_of, say, table
from optional_peers import installed
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.clustering.kmeans import Iteration, kmeans

SEEDS = 5
N, K = 16_000, 500
MOST = 100  # iterations: enough for each to stop by its own rule, but for those that have none
NO_RULE = 25  # which take this many, the default of Faiss and of fastkmeans


def windrow(points: Floats, k: int, n_iters: int, seed: int = 0) -> Fit:
    """As `peers.windrow`, by CPU seconds."""
    course: list[tuple[float, float]] = []
    started = time.process_time()

    def note(iteration: Iteration) -> None:
        course.append((time.process_time() - started, iteration.inertia))

    fit = kmeans(points, k, seed=seed, n_iters=n_iters, progress=note)
    return Fit(fit.centroids, time.process_time() - started, fit.n_iters, tuple(course))


def features(path: Path) -> list[str]:
    """Return the table of embeddings in an .npz, unit rows: all their dimensions, and the first 256 principal ones."""
    rows = np.load(path)["embeddings"][:N].astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        made = [row for points in (_principal(rows, 256), rows) for row in _measured(points)]
    columns = (
        "points",
        "by",
        "CPU s",
        "iterations",
        "inertia",
        "CPU s to Faiss's last inertia",
        "Faiss's CPU s over that",
    )
    title = f"Real features: embeddings of photographs, k = {K}, to convergence, {SEEDS} seeds, one thread"
    return [table(title, columns, made)]


def _principal(rows: Floats, n: int) -> Floats:
    centred = rows - rows.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(centred @ directions[:, : -n - 1 : -1].astype(np.float32))


def _measured(points: Floats) -> list[tuple[object, ...]]:
    makers: dict[str, Callable[..., Fit]] = {"Faiss": peers.faiss_kmeans, "Windrow": windrow, **installed()}
    goals = np.zeros(SEEDS)
    found = []
    for name, maker in makers.items():
        say(f"features: {points.shape[1]} dimensions, {name}")
        n_iters = NO_RULE if name.startswith(("Faiss", "fastkmeans")) else MOST
        spent, fits = zip(*(_spent(maker, points, n_iters, seed) for seed in range(SEEDS)), strict=True)
        inertia = np.array([inertia_of(points, fit.centroids) for fit in fits])
        if name == "Faiss":
            goals, base = np.full(SEEDS, inertia.mean()), float(np.mean(spent))
        reached = _reached(name, fits, spent, inertia, goals)
        found.append((
            f"{len(points):,} x {points.shape[1]}", name, f"{np.mean(spent):.2f}",
            f"{np.mean([fit.n_iters for fit in fits]):.0f}", f"{inertia.mean():.1f} ± {_half(inertia):.1f}",
            f"{reached:.2f}", f"{base / reached:.2f}",
        ))  # fmt: skip
    return found


def _spent(maker: Callable[..., Fit], points: Floats, n_iters: int, seed: int) -> tuple[float, Fit]:
    started = time.process_time()
    fit = maker(points, K, n_iters, seed=seed)
    return time.process_time() - started, fit


def _reached(name: str, fits, spent, inertia, goals) -> float:  # type: ignore[no-untyped-def]
    """Mean CPU s until the goal: by its course where it tells one, else the whole time, where it came that far."""
    if name == "Windrow":
        return float(np.mean([fit.seconds_to(goal) for fit, goal in zip(fits, goals, strict=True)]))
    return float(np.mean(spent)) if inertia.mean() <= 1.001 * goals.mean() else float("nan")


def _half(values: np.ndarray) -> float:
    """Half of the 95 % interval of a mean of five."""
    return float(2.776 * values.std(ddof=1) / np.sqrt(len(values)))
