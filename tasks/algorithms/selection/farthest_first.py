"""Farthest first: each pick is the sample farthest from those picked before (Gonzalez 1985; k-center, core-set)."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, row_blocks

N_FARTHEST = 1024  # samples among which the next picks are looked for
MOST_STEPS = 32  # of picks in a cluster; the members of a larger one keep the distance that they then have


def farthest_first(units: Float32Array, n_picks: int, first: int) -> tuple[Int64Array, Float32Array]:
    """The first n_picks, int64 (at most n_picks,), and the squared distance of each sample to the nearest, (n,).

    units: `grid_units` (n, dim), so that equal distances are equal: the lowest row is picked. The radius is at most
    twice that of the best n_picks centers (Gonzalez 1985). It ends early where all that is left are copies of picks.

    Exact, and yet not a pass over all samples for each pick: among the farthest samples picks go on while their
    distance is more than that of every sample outside, which can only have fallen. Then all distances are brought up
    to date, by one matrix product. 2 n n_picks dim flops.
    """
    picks, nearest = [np.array([first])], squared_distances(units, units[[first]])[:, 0]
    n_picked = 1
    while n_picked < n_picks and nearest.max() > 0:
        batch = _next_picks(units, nearest, n_picks - n_picked)
        for block in row_blocks(len(units)):
            distance = squared_distances(units[block], units[batch]).min(axis=1)
            nearest[block] = np.minimum(nearest[block], distance)
        picks.append(batch)
        n_picked += len(batch)
    return np.concatenate(picks)[:n_picks], nearest


def _next_picks(units: Float32Array, nearest: Float32Array, most: int) -> Int64Array:
    """The next picks, one or more: as many as can be told from the farthest samples alone."""
    n_outside = max(len(units) - N_FARTHEST, 0)
    order = np.argpartition(nearest, n_outside) if n_outside else np.arange(len(units))
    outside = nearest[order[:n_outside]].max(initial=0)
    inside = np.sort(order[n_outside:])
    between = squared_distances(units[inside], units[inside])
    left, picks = nearest[inside], list[int]()
    while len(picks) < most and left.max() > outside:
        picks.append(int(left.argmax()))
        left = np.minimum(left, between[picks[-1]])
    return inside[picks] if picks else np.array([nearest.argmax()])


def farthest_in_clusters(
    units: Float32Array, clusters: Int64Array, nearest: Float32Array
) -> tuple[Float32Array, Int64Array]:
    """Farthest first in each cluster by itself: the squared distance at which each was picked and its turn, both (n,).

    nearest: squared distance to what was picked before. All clusters pick at once, a member each in a turn, so a turn
    costs one pass over what is left: n dim times the mean size of a cluster in all. After 32 turns the others keep
    their distance.
    """
    distance, turn = nearest.copy(), np.full(len(units), MOST_STEPS)
    left = np.argsort(clusters, kind="stable")
    for step in range(MOST_STEPS):
        if len(left) == 0:
            break
        starts = np.flatnonzero(np.diff(clusters[left], prepend=-1))
        sizes = np.diff(starts, append=len(left))
        farthest = np.repeat(np.maximum.reduceat(distance[left], starts), sizes)
        at = np.flatnonzero(distance[left] == farthest)
        at = at[np.diff(clusters[left[at]], prepend=-1) > 0]  # of equals the lowest row
        turn[left[at]] = step
        stays = np.ones(len(left), bool)
        stays[at] = False
        left, pick = left[stays], np.repeat(left[at], sizes - 1)
        for block in row_blocks(len(left)):
            rows = left[block]
            product = np.einsum("ij,ij->i", units[rows], units[pick[block]])
            length = _lengths(units[rows]) + _lengths(units[pick[block]])
            distance[rows] = np.minimum(distance[rows], length - 2 * product)
    return distance, turn


def squared_distances(rows: Float32Array, others: Float32Array) -> Float32Array:
    """Between `grid_units`, float32 (n, m), exact."""
    product = rows @ others.T
    product *= -2
    product += _lengths(rows)[:, None]
    product += _lengths(others)
    return product


def _lengths(rows: Float32Array) -> Float32Array:
    lengths: Float32Array = np.einsum("ij,ij->i", rows, rows)
    return lengths
