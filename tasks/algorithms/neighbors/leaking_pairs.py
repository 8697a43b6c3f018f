"""Near-duplicates between two sets: the same bytes, near perceptual hashes, or near embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array, as_embeddings
from windrow.tasks.algorithms.neighbors.cosine_pairs import check_threshold
from windrow.tasks.algorithms.neighbors.hash_neighbors import near_hashes
from windrow.tasks.algorithms.neighbors.pairs_between import PairsBetween, pairs_between

FAR = -1


@dataclass(frozen=True)
class Fingerprints:
    """What samples are compared by.

    ids: (n,), unique and sortable; equal for the same bytes. hashes: int64 (n,); embeddings: (n, d), not necessarily of
    unit length. has_hash and has_embedding (n,) say where there is one; the rest is never compared by it.
    """

    ids: npt.NDArray[Any]
    hashes: Int64Array
    has_hash: BoolArray
    embeddings: npt.NDArray[Any]
    has_embedding: BoolArray

    def __post_init__(self) -> None:
        for name in ("hashes", "has_hash", "embeddings", "has_embedding"):
            if len(getattr(self, name)) != len(self.ids):
                raise ValueError(f"{name}: expected {len(self.ids)} rows, got {len(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, rows: Int64Array) -> Fingerprints:
        """Return those of some rows."""
        return Fingerprints(
            self.ids[rows], self.hashes[rows], self.has_hash[rows], self.embeddings[rows], self.has_embedding[rows]
        )


@dataclass(frozen=True)
class Leaks:
    """Pairs that are near-duplicates, by left row, then right row; each once, with all that speaks for it.

    left, right: int64 (p,). same_bytes: bool (p,). distance: int64 (p,), bits in which their hashes differ, FAR where
    these are not near. similarity: float32 (p,), cosine, NaN where it does not reach the threshold.
    n_compared: how many pairs of embeddings were compared to find them.
    """

    left: Int64Array
    right: Int64Array
    same_bytes: BoolArray
    distance: Int64Array
    similarity: Float32Array
    n_compared: int

    def __len__(self) -> int:
        return len(self.left)

    def closest(self) -> Int64Array:
        """The pair of each left row that leaks, in the order of rows, that speaks loudest.

        Same bytes first, then the highest similarity, then the least distance, then the lowest right row.
        """
        similarity = np.nan_to_num(self.similarity, nan=-1.0)
        distance = np.where(self.distance == FAR, np.iinfo(np.int64).max, self.distance)
        order = np.lexsort((self.right, distance, -similarity, ~self.same_bytes, self.left))
        first = np.diff(self.left[order], prepend=-1) > 0
        return order[first]


def find_leaks(left: Fingerprints, right: Fingerprints, threshold: float, max_distance: int) -> Leaks:
    """Every pair across the sets with the same bytes, at most max_distance bits, or a cosine of at least threshold.

    The cover guarantee: the search is exact by each of the three, no pair within them is missed and none is invented;
    so whatever of the left set is in no pair has nothing of the right set within them, and the other way round. What
    is nearer to a sample of the right set than the encoder can see is not found by its embedding: a guarantee over
    hashes and embeddings is none over pictures.

    Few embeddings are compared (`pairs_between`); memory grows with the pairs. Raises ValueError when embeddings have
    different widths, are not finite, or the threshold is no cosine in (0, 1].
    """
    check_threshold(threshold)
    _, rows, columns = np.intersect1d(left.ids, right.ids, return_indices=True)
    hashed = np.flatnonzero(left.has_hash), np.flatnonzero(right.has_hash)
    near = near_hashes(left.hashes[hashed[0]], right.hashes[hashed[1]], max_distance)
    alike = _alike(left, right, threshold)
    found = ((rows, columns), (hashed[0][near[0]], hashed[1][near[1]]), (alike.left, alike.right))
    codes = [np.asarray(a, np.int64) * max(len(right), 1) + b for a, b in found]
    pairs = np.unique(np.concatenate(codes))
    leaks = Leaks(
        pairs // max(len(right), 1),
        pairs % max(len(right), 1),
        np.isin(pairs, codes[0]),
        np.full(len(pairs), FAR),
        np.full(len(pairs), np.nan, np.float32),
        alike.n_compared,
    )
    at = np.searchsorted(pairs, codes[1])
    leaks.distance[at] = _bits(left.hashes[found[1][0]], right.hashes[found[1][1]])
    leaks.similarity[np.searchsorted(pairs, codes[2])] = alike.similarity
    return leaks


def _bits(left: Int64Array, right: Int64Array) -> Int64Array:
    return np.asarray(np.bitwise_count(left.view(np.uint64) ^ right.view(np.uint64)), np.int64)


def _alike(left: Fingerprints, right: Fingerprints, threshold: float) -> PairsBetween:
    """Rows of left and of right whose embeddings reach the threshold."""
    there = np.flatnonzero(left.has_embedding), np.flatnonzero(right.has_embedding)
    if not len(there[0]) or not len(there[1]):
        return PairsBetween(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), 0)
    sides = [as_embeddings(side.embeddings[rows]) for side, rows in zip((left, right), there, strict=True)]
    found = pairs_between(sides[0], sides[1], threshold)
    return replace(found, left=there[0][found.left], right=there[1][found.right])
