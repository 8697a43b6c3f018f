"""Several rankings of overlapping samples as one, in given shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

import numpy as np

from windrow.tasks.algorithms.arrays import Int32Array, Int64Array


@dataclass(frozen=True)
class Merged:
    """place: int64 (n,), rank from 1, 0 of a sample in no part; part: int32 (n,), its part, -1 there."""

    place: Int64Array
    part: Int32Array


def merge_parts(rankings: Sequence[Int64Array], shares: Sequence[float], n: int) -> Merged:
    """Merge rankings, each the rows (0 to n - 1) of a part's samples, best first, each row once.

    Stride scheduling (Waldspurger and Weihl 1995): the k-th sample of a part of share s comes at k / s, so that every
    prefix holds the parts in their shares, to within a sample each, until one runs out; the others then share its
    place. A sample of several parts belongs to the first that comes to it, and the others take their next instead.
    Equal keys: the part named first. Time: O(total length x log parts).

    >>> merge_parts([np.array([0, 1, 2]), np.array([2, 1, 3])], [0.5, 0.5], 5).part
    array([ 0,  0,  1,  1, -1], dtype=int32)
    """
    if len(rankings) != len(shares) or not all(share > 0 for share in shares):
        raise ValueError(f"shares: expected a number > 0 for each of {len(rankings)} rankings, got {list(shares)}")
    place, part = np.zeros(n, np.int64), np.full(n, -1, np.int32)
    taken, free = [0] * len(rankings), bytearray(b"\x01") * n
    left = [iter(ranking.tolist()) for ranking in rankings]
    heap = [(1 / share, number) for number, share in enumerate(shares)]
    heapify(heap)
    order: list[int] = []
    while heap:
        _, number = heap[0]
        row = next((each for each in left[number] if free[each]), None)
        if row is None:
            heappop(heap)
            continue
        free[row] = 0
        part[row] = number
        order.append(row)
        taken[number] += 1
        heapreplace(heap, ((taken[number] + 1) / shares[number], number))
    place[order] = np.arange(1, len(order) + 1)
    return Merged(place, part)
