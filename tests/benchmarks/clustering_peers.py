"""What the clustering is measured against: scikit-learn, Faiss, and PyTorch written straight from the description."""

from __future__ import annotations

import time
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans as SklearnKMeans

from windrow.tasks.algorithms.clustering.kmeans import Iteration, kmeans

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """Centroids, the seconds they took, the iterations; `course`: (seconds, inertia) after each iteration, if known."""

    centroids: Floats
    seconds: float
    n_iters: int
    course: tuple[tuple[float, float], ...] = ()

    def seconds_to(self, inertia: float) -> float:
        """When the inertia was first at most this."""
        return next((seconds for seconds, reached in self.course if reached <= inertia), float("nan"))


def windrow(points: Floats, k: int, n_iters: int, init: Floats | None = None, seed: int = 0) -> Fit:
    course: list[tuple[float, float]] = []
    started = time.perf_counter()

    def note(iteration: Iteration) -> None:
        course.append((time.perf_counter() - started, iteration.inertia))

    fit = kmeans(points, k, seed=seed, n_iters=n_iters, init=init, progress=note)
    return Fit(fit.centroids, time.perf_counter() - started, fit.n_iters, tuple(course))


def faiss_kmeans(points: Floats, k: int, n_iters: int, init: Floats | None = None, seed: int = 0) -> Fit:
    """Its defaults, but on all points. It spends the same time on each iteration, which is what `course` is made of."""
    model = faiss.Kmeans(
        points.shape[1], k, niter=n_iters, seed=seed + 1, max_points_per_centroid=2**30, min_points_per_centroid=1
    )
    started = time.perf_counter()
    model.train(points, init_centroids=init)
    seconds = time.perf_counter() - started
    course = [(seconds * (i + 1) / len(model.obj), float(inertia)) for i, inertia in enumerate(model.obj)]
    return Fit(model.centroids, seconds, len(model.obj), tuple(course))


def faiss_super_kmeans(points: Floats, k: int, n_iters: int, seed: int = 0) -> Fit:
    """Faiss's newer k-means (ADSampling, since 1.15): prunes by a statistical bound, takes no seeds from outside.

    Its first iteration compares everything; the seconds that it gives of each iteration are that one's alone.
    """
    model = faiss.SuperKmeans(
        points.shape[1], k, niter=n_iters, seed=seed + 1, max_points_per_centroid=2**30, min_points_per_centroid=1
    )
    started = time.perf_counter()
    model.train(points)
    seconds = time.perf_counter() - started
    spent = np.cumsum([each["time"] for each in model.iteration_stats])
    course = zip((spent + seconds - spent[-1]).tolist(), model.obj.tolist(), strict=True)
    return Fit(model.centroids, seconds, len(model.obj), tuple(course))


def sklearn_kmeans(points: Floats, k: int, n_iters: int, init: Floats | None = None, seed: int = 0) -> Fit:
    """From given seeds without a tolerance, so that it runs as long as the others; else from rows at random.

    Its default seeds, greedy k-means++, take minutes here (the table of seeds has them), and Lloyd seconds.
    """
    how = {"init": "random"} if init is None else {"init": init, "tol": 0}
    started = time.perf_counter()
    model = SklearnKMeans(k, n_init=1, max_iter=n_iters, random_state=seed, **how).fit(points)
    return Fit(model.cluster_centers_, time.perf_counter() - started, model.n_iter_)


def torch_lloyd(points: Floats, k: int, n_iters: int, init: Floats | None = None, seed: int = 0) -> Fit:
    """Every distance in every iteration, in blocks; seeds drawn uniformly."""
    started = time.perf_counter()
    x = torch.from_numpy(points)
    rng = np.random.default_rng(seed)
    c = torch.from_numpy((points[rng.choice(len(points), k, replace=False)] if init is None else init).copy())
    for _ in range(n_iters):
        c = _update(x, c, _assign(x, c)[0])
    return Fit(c.numpy(), time.perf_counter() - started, n_iters)


def _assign(x: torch.Tensor, c: torch.Tensor, block: int = 8192) -> tuple[torch.Tensor, torch.Tensor]:
    squared = c.square().sum(dim=1)
    found = [torch.addmm(squared, x[s : s + block], c.T, alpha=-2).min(dim=1) for s in range(0, len(x), block)]
    distance = (torch.cat([each.values for each in found]) + x.square().sum(dim=1)).clamp(min=0).sqrt()
    return torch.cat([each.indices for each in found]), distance


def _update(x: torch.Tensor, c: torch.Tensor, assignment: torch.Tensor) -> torch.Tensor:
    sums = torch.zeros_like(c).index_add_(0, assignment, x)
    counts = torch.bincount(assignment, minlength=len(c))
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], c)


def torch_hierarchy(
    points: Floats, n_clusters: tuple[int, ...], n_resamples: tuple[int, ...], n_rounds: int, n_iters: int, seed: int
) -> tuple[npt.NDArray[np.int32], Floats]:
    """The page's hierarchy to the letter, no early stop: paths, int32 (n, levels), and distances to the finest."""
    generator = torch.Generator().manual_seed(seed)
    items, paths, finest = torch.from_numpy(points), [], torch.empty(0)
    for k, r in zip(n_clusters, n_resamples, strict=True):
        c = _torch_kmeans(items, k, n_iters, generator)
        assignment, distance = _assign(items, c)
        for _ in range(n_rounds):
            order = np.lexsort((distance.numpy(), assignment.numpy()))
            sizes = np.bincount(assignment.numpy(), minlength=k)
            place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            sample = items[torch.from_numpy(np.sort(order[place < r]))]
            c = _torch_kmeans(sample, k, n_iters, generator)
            assignment, distance = _assign(items, c)
        paths.append(assignment if not paths else assignment[paths[-1]])
        finest = distance if len(paths) == 1 else finest
        items = c
    return torch.stack(paths, dim=1).to(torch.int32).numpy(), finest.numpy()


def _torch_kmeans(x: torch.Tensor, k: int, n_iters: int, generator: torch.Generator) -> torch.Tensor:
    c = x[_torch_seeds(x, min(k, len(x)), generator)]
    for _ in range(n_iters):
        c = _update(x, c, _assign(x, c)[0])
    return c


def _torch_seeds(x: torch.Tensor, k: int, generator: torch.Generator) -> list[int]:
    """Greedy k-means++, one centre at a time over all points."""
    chosen = [int(torch.randint(len(x), (1,), generator=generator))]
    closest = (x - x[chosen[0]]).square().sum(dim=1)
    for _ in range(k - 1):
        candidates = torch.multinomial(closest, 2 + int(np.log(k)), replacement=True, generator=generator)
        left = torch.minimum(torch.cdist(x[candidates], x).square(), closest)
        best = int(left.sum(dim=1).argmin())
        chosen.append(int(candidates[best]))
        closest = left[best]
        closest[chosen[-1]] = 0
    return chosen
