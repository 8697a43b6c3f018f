"""At most so many samples of a source, an uploader or a query, in every prefix of a ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Int64Array


def within_caps(place: Int64Array, groups: Int64Array, most: Sequence[int]) -> BoolArray:
    """Whether each sample stays in the ranking, bool (n,).

    place: (n,), the rank of each sample; groups: (n, n_caps), its value under each cap, -1 where it has none, which is
    not capped; most: (n_caps,), samples of one value that may stay. In the order of the ranking a sample stays if it
    has room under every cap, and takes room only if it stays; so the caps hold in every prefix of those that stay, and
    none is left out that would fit. Raises ValueError for shapes that do not fit, or a cap below 1.

    Only samples of a value that has too many are looked at one by one: about 1 s a million of these.
    """
    if groups.ndim != 2 or groups.shape != (len(place), len(most)) or (groups < -1).any():
        expected = f"numbers >= -1 of shape ({len(place)}, {len(most)})"
        raise ValueError(f"groups: expected {expected}, got {groups.dtype} {groups.shape}")
    if any(limit < 1 for limit in most):
        raise ValueError(f"most: wants 1 or more, got {list(most)}")
    crowded = [_of_crowded(column, limit) for column, limit in zip(groups.T, most, strict=True)]
    doubtful = np.any(crowded, axis=0) if crowded else np.zeros(len(place), bool)
    doubtful = np.flatnonzero(doubtful)
    doubtful = doubtful[np.argsort(place[doubtful], kind="stable")]
    stays = np.ones(len(place), bool)
    stays[doubtful] = _fitting(groups[doubtful].tolist(), most)
    return stays


def _of_crowded(groups: Int64Array, most: int) -> BoolArray:
    """Whether more samples have the value of each than may stay."""
    return np.asarray((np.bincount(groups + 1)[groups + 1] > most) & (groups >= 0))


def _fitting(groups: list[list[int]], most: Sequence[int]) -> list[bool]:
    """Whether there is room for each sample, in this order."""
    taken: list[dict[int, int]] = [{} for _ in most]
    fits = []
    for values in groups:
        capped = [(room, value, limit) for room, value, limit in zip(taken, values, most, strict=True) if value >= 0]
        fits.append(all(room.get(value, 0) < limit for room, value, limit in capped))
        if fits[-1]:
            for room, value, _ in capped:
                room[value] = room.get(value, 0) + 1
    return fits
