"""Greedy k-means++ seeding (Arthur and Vassilvitskii 2007, the variant that tries several candidates for each seed).

The first centroid is a uniform draw; each next one is, of 2 + floor(ln k) candidates drawn with probability
proportional to the squared distance to the nearest centroid, the one that leaves the lowest potential (the sum of those
squares).

Done to the letter, every candidate is compared with every point. Here a sample of n_sampled points stands for the pool,
drawn with that same probability, so that each stands for an equal share of the potential: candidates are drawn from it
and judged on it, up to BATCH centroids are chosen, and one pass over the pool brings all distances up to date before
the next sample is drawn. The pool is read once for BATCH centroids, not once for each, and is compared with centroids
only, not with candidates. With n_sampled >= n the sample is the pool, and this is greedy k-means++ itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.nearest import State, assign_blocks, search_all
from windrow.tasks.algorithms.clustering.points import check_at_least

N_SAMPLED = 8192
BATCH = 128  # at most this many centroids from one sample,
HALF = 0.5  # and no more once this share of its potential is left: by then it is a poor sample of what is left
STEPS = 16  # centroids for which candidates are drawn, and compared with the sample, at once
NEAR = 2.0**-10  # below this share of |x|^2 + |c|^2 the expansion of (x - c)^2 has lost 10 of its 23 bits


def seed_blocks(
    blocks: Blocks,
    n_clusters: int,
    state: State,
    *,
    seed: int,
    centroids: Float32Array | None = None,
    n_candidates: int | None = None,
    n_sampled: int = N_SAMPLED,
) -> Float32Array:
    """Centroids chosen among the points: float32 (k, d), those given first, then in order of choice; and in `state`
    each point's nearest.

    n_candidates: by default 2 + floor(ln n_clusters); 1 is plain k-means++. Returns fewer than n_clusters when there
    are fewer distinct points. Raises ValueError for a point that is not finite, naming the first such row.
    """
    rng = np.random.default_rng(seed)
    n_candidates = 2 + int(np.log(n_clusters)) if n_candidates is None else n_candidates
    check_at_least("n_candidates", n_candidates, 1)
    check_at_least("n_sampled", n_sampled, 1)
    if centroids is None:
        first = np.array([rng.integers(blocks.n)])
        centroids = blocks.points[first].astype(np.float32)
    assign_blocks(blocks, centroids, state)
    while len(centroids) < n_clusters:
        sample = _Sample.draw(blocks, state, n_sampled, rng)
        if sample is None:
            break
        wanted = n_clusters - len(centroids)
        chosen = sample.choose(wanted if sample.is_pool else min(wanted, BATCH), n_candidates, rng, blocks)
        if len(chosen) == 0:
            break
        centroids = np.concatenate([centroids, chosen])
        _add(blocks, centroids, len(chosen), state)
    return centroids


def _add(blocks: Blocks, centroids: Float32Array, n_new: int, state: State) -> None:
    """Bring `state` up to date with the last n_new centroids."""
    everything = blocks.search(centroids)
    new = blocks.search(centroids, np.arange(len(centroids) - n_new, len(centroids)))
    for _ in blocks.map(lambda block: search_all(block, state.at(block.rows), new, everything, centroids)):
        pass


@dataclass
class _Sample:
    """Points that stand for the pool while a few centroids are chosen.

    raw: float32 (m, d); weight: float32 (m,), of a squared distance in the potential; potential: float32 (m,), each
    one's part of it now; is_pool: whether these are all the points.
    """

    raw: Float32Array
    weight: Float32Array
    potential: Float32Array
    is_pool: bool

    @classmethod
    def draw(cls, blocks: Blocks, state: State, size: int, rng: np.random.Generator) -> _Sample | None:
        """All points if they are no more than size; else by systematic sampling; None when all are centroids.

        Squares that float32 cannot hold are zero: points so close to a centroid are taken to be it.
        """
        totals = np.array([np.square(state.distance[rows], dtype=np.float64).sum() for rows in blocks.slices])
        total = float(totals.sum())
        if total == 0:
            return None
        if blocks.n <= size:
            squared = np.square(state.distance)
            return cls(blocks.points[:].astype(np.float32), np.ones(blocks.n, np.float32), squared, True)
        rows = _systematic(blocks, state, totals, size, rng)
        squared = np.square(state.distance[rows], dtype=np.float64)
        weight = total / size / squared
        raw = blocks.points[rows].astype(np.float32)
        return cls(raw, weight.astype(np.float32), np.full(size, total / size, np.float32), False)

    def choose(self, n_centroids: int, n_candidates: int, rng: np.random.Generator, blocks: Blocks) -> Float32Array:
        """Up to n_centroids points of the sample, one after another: float32 (chosen, d).

        Candidates are drawn for STEPS centroids at once. When a candidate's turn comes, it is accepted with
        probability (its potential now) / (when drawn): rejection sampling, so what is accepted is distributed exactly
        as a draw from the potential now.
        """
        shifted = self.raw - blocks.origin
        squared = np.einsum("ij,ij->i", shifted, shifted)
        enough = 0.0 if self.is_pool else HALF * float(self.potential.sum(dtype=np.float64))
        chosen: list[int] = []
        candidates, threshold, parts = _no_candidates(len(shifted))
        left = float(self.potential.sum(dtype=np.float64))
        while len(chosen) < n_centroids and left > enough:
            accepted = np.flatnonzero(threshold < self.potential[candidates])[:n_candidates]
            if len(accepted) < n_candidates:
                steps = min(STEPS, 1 + len(chosen) // 2, n_centroids - len(chosen))
                candidates = _proportional(self.potential, steps * n_candidates, rng)
                threshold = rng.random(len(candidates)) * self.potential[candidates]
                parts = self._potentials(shifted, squared, candidates, blocks)
                continue
            after = np.minimum(parts[accepted], self.potential)
            best = int(after.sum(axis=1).argmin())
            self._add(int(candidates[accepted[best]]), after[best], squared)
            chosen.append(int(candidates[accepted[best]]))
            left = float(self.potential.sum(dtype=np.float64))
            rest = slice(int(accepted[-1]) + 1, None)  # each candidate is tried once, accepted or not
            candidates, threshold, parts = candidates[rest], threshold[rest], parts[rest]
        return self.raw[chosen]

    def _potentials(
        self, shifted: Float32Array, squared: Float32Array, candidates: Int64Array, blocks: Blocks
    ) -> Float32Array:
        """What each point's potential would be with each candidate alone: float32 (candidates, m)."""
        rows = shifted[candidates] * np.float32(-2)
        out = np.empty((len(candidates), len(shifted)), np.float32)

        def fill(part: slice) -> None:
            product = rows @ shifted[part].T
            product += squared[candidates, None]
            product += squared[part]
            np.maximum(product, 0, out=product)
            np.multiply(product, self.weight[part], out=out[:, part])

        blocks.share(fill, len(shifted))
        return out

    def _add(self, centroid: int, potential: Float32Array, squared: Float32Array) -> None:
        """One more centroid; points so near it that the expansion cancels are compared directly."""
        before, self.potential = self.potential, potential
        limit = NEAR * (squared + squared[centroid])
        near = np.flatnonzero(potential <= limit * self.weight)
        difference = self.raw[near] - self.raw[centroid]
        direct = np.einsum("ij,ij->i", difference, difference)
        is_near = direct <= limit[near]
        near, direct = near[is_near], direct[is_near]
        self.potential[near] = np.minimum(before[near], direct * self.weight[near])


def _no_candidates(n: int) -> tuple[Int64Array, Float64Array, Float32Array]:
    return np.empty(0, np.int64), np.empty(0), np.empty((0, n), np.float32)


def _proportional(weight: Float32Array, size: int, rng: np.random.Generator) -> Int64Array:
    """Independent draws with probability proportional to weight."""
    cumulative = np.cumsum(weight, dtype=np.float64)
    drawn = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    # the product may round up to the total: the last one of any weight is meant
    rows: Int64Array = np.minimum(drawn, np.searchsorted(cumulative, cumulative[-1])).astype(np.int64)
    return rows


def _systematic(blocks: Blocks, state: State, totals: Float64Array, size: int, rng: np.random.Generator) -> Int64Array:
    """Rows with expected number proportional to squared distance, by equal steps from a uniform start; ascending."""
    wanted = (np.arange(size) + rng.random()) / size * totals.sum()
    ends = np.cumsum(totals)
    block_of = np.minimum(np.searchsorted(ends, wanted, side="right"), np.flatnonzero(totals)[-1])
    rows = []
    for number in np.unique(block_of):
        within = wanted[block_of == number] - (ends[number] - totals[number])
        cumulative = np.cumsum(np.square(state.distance[blocks.slices[number]], dtype=np.float64))
        drawn = np.searchsorted(cumulative, within, side="right")
        rows.append(blocks.slices[number].start + np.minimum(drawn, np.searchsorted(cumulative, cumulative[-1])))
    return np.concatenate(rows).astype(np.int64)
