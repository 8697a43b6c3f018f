"""What people want of the ranking: samples to keep, samples to drop, and pairs that are no duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.corrections.taken import Wish, apart, wishes
from windrow.tasks.selection.selection_config import BY_HAND

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Steering:
    """Of n rows: which are to be kept (n,) and dropped (n,), and pairs (m, 2) of rows that are no duplicates."""

    keep: Flags
    drop: Flags
    apart: Int64Array

    @classmethod
    def none(cls, n: int) -> Steering:
        """Nobody wants anything."""
        return cls(np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.empty((0, 2), np.int64))

    def of_rows(self, rows: Int64Array) -> Steering:
        """The same of some of the rows, which ascend."""
        place = np.full(len(self.keep), -1)
        place[rows] = np.arange(len(rows))
        pairs = place[self.apart]
        return Steering(self.keep[rows], self.drop[rows], pairs[(pairs >= 0).all(axis=1)])

    def applied(self, broken: Sequence[str | None], *lasting: str) -> list[str | None]:
        """The rule that drops each row, None for none, where hands overrule all rules but these."""
        hands = zip(broken, self.keep.tolist(), self.drop.tolist(), strict=True)
        return [rule if rule in lasting else None if keep else BY_HAND if drop else rule for rule, keep, drop in hands]


def steering(corrections: pa.Table, sample_ids: pa.Array) -> Steering:
    """Return what corrections want of samples, in their order; those of others are passed over."""
    wanted, pairs = wishes(corrections), apart(corrections)
    rows = [pc.index_in(pa.array([pair[side] for pair in pairs], pa.string()), sample_ids) for side in (0, 1)]
    both = np.stack([pc.fill_null(each, -1).to_numpy(zero_copy_only=False) for each in rows], axis=1).astype(np.int64)
    return Steering(
        _wished(wanted, "keep", sample_ids), _wished(wanted, "drop", sample_ids), both[(both >= 0).all(axis=1)]
    )


def _wished(wanted: Mapping[str, Wish], wish: Wish, sample_ids: pa.Array) -> Flags:
    names = pa.array([name for name, each in wanted.items() if each == wish], pa.string())
    return np.asarray(pc.is_in(sample_ids, names).to_numpy(zero_copy_only=False), np.bool_)


def kept_first(place: Int64Array, keep: Flags) -> Int64Array:
    """Return places (n,) from 1, 0 for none, in which those to keep come first, in their order; each of them has one.

    Those to keep without a place come after those with one; of all others the order stays.
    """
    if not keep.any():
        return place
    has = (place > 0) | keep
    order = np.lexsort((np.arange(len(place)), place, place == 0, ~keep))
    order = order[has[order]]
    placed = np.zeros(len(place), np.int64)
    placed[order] = np.arange(1, len(order) + 1)
    return placed
