"""k-means on arrays: greedy k-means++ seeding, Lloyd's iterations, blocked assignment.

Squared distances come from |x|^2 - 2 x.c + |c|^2, which cancels badly when x is close to c or far from the origin. So
the points are shifted to the mean of what they are compared with, the expansion only chooses the winner, and the
winner's distance is then computed from the difference itself: a point that equals its centroid is at distance 0.

Blocks have fixed sizes and are reduced in a fixed order, so the answer depends on neither the number of workers nor of
threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Points = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

BLOCK = 1024  # points a matrix product: with TILE centroids, 8 MB of scores, which stays in cache
TILE = 2048
SUM_BLOCK = 8192  # points summed before the partial sums join the total
POOL_VALUES = 2**25  # candidate-to-point distances kept while seeding: 128 MB
# MKL divides a product among threads by rows and columns, and rounds the edges of an uneven share otherwise than its
# inside: with both sides padded to 16, 1 to 8 threads gave the same bytes in every shape tried; unpadded they did not.
PAD = 16


@dataclass(frozen=True)
class KMeans:
    """Centroids and where every point went. Every centroid has at least one point.

    centroids: float32 (k, d); assignment: int32 (n,); distance: float32 (n,), Euclidean, to the point's own centroid;
    inertia: the sum of squared distances; n_iters: Lloyd iterations run.
    """

    centroids: Floats
    assignment: Ints
    distance: Floats
    inertia: float
    n_iters: int


def kmeans(points: Points, n_clusters: int, *, seed: int, n_iters: int = 50, device: str = "cpu") -> KMeans:
    """Lloyd's k-means from one greedy k-means++ start, until no assignment changes or n_iters iterations have run.

    points: float16 or float32 (n, d). An empty cluster is re-seeded at the point farthest from its centroid (`reseed`).
    With fewer distinct points than n_clusters the surplus clusters stay empty and are dropped, so the result may have
    fewer than n_clusters centroids. Raises ValueError for a point that is not finite, naming the first such row.
    """
    _check_positive("n_iters", n_iters)
    centroids = kmeans_plus_plus(points, n_clusters, seed, device=device)
    assignment, squared = assign(points, centroids, device=device)
    iteration = 0
    for iteration in range(1, n_iters + 1):  # noqa: B007 (the count is part of the result)
        centroids = update(points, assignment, squared, centroids)
        previous = assignment
        assignment, squared = assign(points, centroids, device=device)
        if np.array_equal(previous, assignment):
            break
    return fitted(centroids, assignment, squared, iteration)


def fitted(centroids: Floats, assignment: Ints, squared: Floats, n_iters: int) -> KMeans:
    """The result for one assignment, without the centroids that got no point (the order of the others is kept)."""
    used = np.bincount(assignment, minlength=len(centroids)) > 0
    new_id = np.cumsum(used, dtype=np.int32) - np.int32(1)
    inertia = float(squared.sum(dtype=np.float64))
    return KMeans(centroids[used], new_id[assignment], np.sqrt(squared), inertia, n_iters)


def reassigned(fit: KMeans, points: Points, *, device: str = "cpu") -> KMeans:
    """The same centroids over other points, such as all those a sample came from; centroids of none are dropped."""
    assignment, squared = assign(points, fit.centroids, device=device)
    return fitted(fit.centroids, assignment, squared, fit.n_iters)


def assign(points: Points, centroids: Floats, *, block: int = BLOCK, device: str = "cpu") -> tuple[Ints, Floats]:
    """Nearest centroid (ties to the lowest index) and squared distance to it, of every point.

    points: float16 or float32 (n, d); centroids: float32 (k, d). Returns int32 (n,) and float32 (n,). At most
    block x TILE scores exist at once. Raises ValueError for a point that is not finite, naming the first such row.
    """
    _check_points(points)
    if centroids.ndim != 2 or len(centroids) == 0 or centroids.shape[1] != points.shape[1]:
        raise ValueError(f"centroids: expected shape (k >= 1, {points.shape[1]}), got {centroids.shape}")
    shift = centroids.mean(axis=0, dtype=np.float64).astype(np.float32)
    shifted = _padded(torch.from_numpy(centroids - shift).to(device))
    transposed = shifted.T.contiguous()
    half_norms = shifted.square().sum(dim=1) / 2
    half_norms[len(centroids) :] = torch.inf  # the padding is nobody's nearest
    assignment = np.empty(len(points), dtype=np.int32)
    squared = np.empty(len(points), dtype=np.float32)
    for rows, x in _blocks(points, shift, block, device):
        nearest = _nearest(_padded(x), transposed, half_norms)[: len(x)]
        assignment[rows] = nearest.cpu().numpy()
        squared[rows] = (x - shifted[nearest]).square().sum(dim=1).cpu().numpy()
    _check_finite(squared)
    return assignment, squared


def _nearest(x: torch.Tensor, transposed: torch.Tensor, half_norms: torch.Tensor) -> torch.Tensor:
    """argmin over centroids of |c|^2/2 - x.c, int64 (b,). A later tile must be strictly better: ties to the lowest."""
    best = torch.full((len(x),), torch.inf, device=x.device)
    nearest = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for start in range(0, len(half_norms), TILE):
        part = slice(start, start + TILE)
        scores = torch.addmm(half_norms[part], x, transposed[:, part], alpha=-1)
        # numpy's argmin is vectorised and torch's is not: 3 to 10 times faster, as long as the product itself
        index = scores.argmin(dim=1) if x.is_cuda else torch.from_numpy(scores.numpy().argmin(axis=1))
        score = scores.gather(1, index[:, None])[:, 0]
        better = score < best
        best = torch.where(better, score, best)
        nearest = torch.where(better, index + start, nearest)
    return nearest


def update(points: Points, assignment: Ints, squared: Floats, centroids: Floats) -> Floats:
    """Mean of every cluster's points; empty clusters are re-seeded. float32 (k, d)."""
    sums = np.zeros(centroids.shape, dtype=np.float64)
    for start in range(0, len(points), SUM_BLOCK):
        rows = slice(start, start + SUM_BLOCK)
        add_sums(sums, points[rows], assignment[rows])
    counts = np.bincount(assignment, minlength=len(centroids))
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return reseed(means, points, squared, np.flatnonzero(counts == 0))


def add_sums(sums: npt.NDArray[np.float64], points: Points, assignment: Ints) -> None:
    """Adds to sums, float64 (k, d), the points of each cluster, in order of row."""
    order = np.argsort(assignment, kind="stable")
    clusters, starts = np.unique(assignment[order], return_index=True)
    # one bag of rows a cluster: a sum in float64 without a loop over clusters
    sums[clusters] += torch.nn.functional.embedding_bag(
        torch.from_numpy(order), torch.from_numpy(points.astype(np.float64)), torch.from_numpy(starts), mode="sum"
    ).numpy()


def reseed(centroids: Floats, points: Points, squared: Floats, empty: npt.NDArray[np.int64]) -> Floats:
    """The empty clusters, lowest first, moved to the points farthest from their centroids (ties to the lowest row).

    A point at distance 0 is never used: it has a centroid, and a second one there would stay empty.
    """
    if len(empty):
        farthest = np.argsort(-squared, kind="stable")[: len(empty)]
        farthest = farthest[squared[farthest] > 0]
        centroids[empty[: len(farthest)]] = points[farthest]
    return centroids


def kmeans_plus_plus(points: Points, n_clusters: int, seed: int, *, max_pool: int = 16, device: str = "cpu") -> Floats:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007, the variant that tries several candidates). float32 (k, d).

    The first centroid is uniform; each next one is, of 2 + floor(ln k) candidates drawn with probability proportional
    to the squared distance to the nearest centroid, the one that leaves the lowest potential (ties to the first drawn).

    Candidates are drawn for up to max_pool steps at once, and their distances to all points are one matrix product.
    When a step comes to one, it is accepted with probability (its weight now) / (its weight when drawn): rejection
    sampling, so what is accepted is distributed exactly as a draw from the weights now. max_pool=1 draws for each step.

    Returns fewer than n_clusters centroids when there are fewer distinct points. Raises ValueError for a point that is
    not finite, naming the first such row.
    """
    _check_positive("n_clusters", n_clusters)
    seeding = _Seeding(points, device)
    rng = np.random.default_rng(seed)
    n_candidates = 2 + int(np.log(n_clusters))
    chosen = [int(rng.integers(len(points)))]
    seeding.add(chosen[0], seeding.distances(np.array(chosen))[0])
    pool = seeding.draw(rng, n_candidates)
    while len(chosen) < min(n_clusters, len(points)):
        accepted = seeding.accepted(pool)[:n_candidates]
        if len(accepted) < n_candidates:
            if not seeding.closest.any():  # every point is a centroid already
                break
            steps = min(max(len(chosen) // 2, 1), max_pool, max(1, POOL_VALUES // (len(points) * n_candidates)))
            pool = seeding.draw(rng, steps * n_candidates)
            accepted = np.arange(n_candidates)
        winner = int(accepted[seeding.best(pool.distances[torch.from_numpy(accepted).to(device)])])
        chosen.append(int(pool.rows[winner]))
        seeding.add(chosen[-1], pool.distances[winner])
        pool = pool.after(int(accepted[-1]))
    return points[chosen].astype(np.float32)


@dataclass(frozen=True)
class _Pool:
    """Candidates drawn together, not tried yet.

    rows: int64 (p,), of the points; threshold: float64 (p,), a uniform share of each one's weight when drawn, for its
    weight now to exceed; distances: float32 (p, n), squared, to all points.
    """

    rows: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    distances: torch.Tensor

    def after(self, last: int) -> _Pool:
        """Without those up to `last`: each candidate is tried once, accepted or not."""
        rest = slice(last + 1, None)
        return _Pool(self.rows[rest], self.threshold[rest], self.distances[rest])


class _Seeding:
    """Every point's squared distance to its nearest centroid so far (`closest`), as centroids are added."""

    NEAR = 2.0**-10  # below this share of |x|^2 + |c|^2 the expansion has lost about 10 of its 23 bits

    def __init__(self, points: Points, device: str) -> None:
        _check_points(points)
        self.points, self.device = points, device
        total = np.zeros(points.shape[1])
        for start in range(0, len(points), SUM_BLOCK):
            total += points[start : start + SUM_BLOCK].sum(axis=0, dtype=np.float64)
        # a bad point must be named by the check below, not spoil the shift of all others
        self.shift = np.where(np.isfinite(total), total / len(points), 0).astype(np.float32)
        squares = [x.square().sum(dim=1) for _, x in _blocks(points, self.shift, BLOCK, device)]
        self.norms = torch.cat(squares)
        _check_finite(self.norms.cpu().numpy())
        self.closest = torch.full((len(points),), torch.inf, device=device)

    def distances(self, candidates: npt.NDArray[np.int64]) -> torch.Tensor:
        """Squared distances by the expansion, clamped at 0: float32 (candidates, n)."""
        n = len(self.points)
        c = torch.from_numpy(np.subtract(self.points[candidates], self.shift, dtype=np.float32)).to(self.device)
        c = _padded(c)
        squared = torch.empty((len(c), n + -n % PAD), device=self.device)
        norms = c.square().sum(dim=1)[:, None]
        for rows, x in _blocks(self.points, self.shift, 4 * BLOCK, self.device):
            x = _padded(x)
            columns = slice(rows.start, rows.start + len(x))
            torch.addmm(norms + _padded(self.norms[rows]), c, x.T.contiguous(), alpha=-2, out=squared[:, columns])
        return squared[: len(candidates), :n].clamp_(min=0)

    def add(self, centroid: int, squared: torch.Tensor) -> None:
        """One more centroid, at row `centroid`; points so near it that the expansion cancels are computed directly."""
        near = torch.nonzero(squared <= self.NEAR * (self.norms + self.norms[centroid]))[:, 0].cpu().numpy()
        squared = squared.clone()
        difference = np.subtract(self.points[near], self.points[centroid], dtype=np.float32)
        squared[torch.from_numpy(near)] = torch.from_numpy(np.square(difference).sum(axis=1)).to(self.device)
        self.closest = torch.minimum(self.closest, squared)

    def best(self, distances: torch.Tensor) -> int:
        """The candidate that leaves the lowest potential, by its row in distances (candidates, n)."""
        return int(torch.minimum(distances, self.closest).sum(dim=1).argmin())

    def draw(self, rng: np.random.Generator, size: int) -> _Pool:
        """Candidates with probability proportional to closest; none when closest is 0 everywhere."""
        cumulative = np.cumsum(self.closest.cpu().numpy(), dtype=np.float64)
        size = size if cumulative[-1] > 0 else 0
        rows = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
        # the product may round up to the total: the last row of any weight is meant
        rows = np.minimum(rows, np.searchsorted(cumulative, cumulative[-1])).astype(np.int64)
        return _Pool(rows, rng.random(size) * self._weights(rows), self.distances(rows))

    def accepted(self, pool: _Pool) -> npt.NDArray[np.int64]:
        """Which of the pool, in order, pass for a draw from the weights now."""
        return np.flatnonzero(pool.threshold < self._weights(pool.rows)).astype(np.int64)

    def _weights(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return self.closest[torch.from_numpy(rows).to(self.device)].cpu().numpy().astype(np.float64)


def _blocks(points: Points, shift: Floats, size: int, device: str) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, len(points), size):
        rows = slice(start, min(start + size, len(points)))
        yield rows, torch.from_numpy(np.subtract(points[rows], shift, dtype=np.float32)).to(device)


def _padded(x: torch.Tensor) -> torch.Tensor:
    """With rows of zeros, up to a multiple of PAD."""
    return torch.cat([x, x.new_zeros((-len(x) % PAD, *x.shape[1:]))]) if len(x) % PAD else x


def _check_points(points: Points) -> None:
    if points.ndim != 2 or 0 in points.shape or points.dtype not in (np.float16, np.float32):
        raise ValueError(
            f"points: expected float16 or float32 of shape (n >= 1, d >= 1), got {points.dtype} {points.shape}"
        )


def _check_finite(squared: Floats) -> None:
    if not np.isfinite(squared).all():
        row = int(np.flatnonzero(~np.isfinite(squared))[0])
        raise ValueError(f"points: row {row} is not finite (or its squared length overflows float32)")


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
