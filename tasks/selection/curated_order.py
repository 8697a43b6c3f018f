"""The ranking that a config asks for: parts in their shares, what is off topic last, and at most so many of a value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Int32Array, Int64Array
from windrow.tasks.algorithms.selection.caps import within_caps
from windrow.tasks.algorithms.selection.column_values import group_numbers
from windrow.tasks.algorithms.selection.merging import Merged, merge_parts
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Ranked
from windrow.tasks.algorithms.selection.tree_paths import nested
from windrow.tasks.selection.selection_config import SelectionConfig, SelectionPart


@dataclass(frozen=True)
class CuratedOrder:
    """place: int64 (n,), rank from 1, 0 of a sample that is not ranked; part: int32 (n,), -1 of one in no part.

    capped: bool (n,), not ranked for a cap's sake; strata: int32 (n, n_levels), see `Ranked`.
    """

    place: Int64Array
    part: Int32Array
    capped: BoolArray
    strata: Int32Array


def expressions_of(config: SelectionConfig) -> tuple[str, ...]:
    """The SQL expressions over `pool` whose values `curated_order` finds in the candidates' columns."""
    keeps = [part.keep for part in config.parts if part.keep]
    policies = [sql for policy in config.policies() for sql in policy.expressions]
    return tuple(dict.fromkeys([*keeps, *filter(None, [config.last]), *[cap.of for cap in config.caps], *policies]))


def curated_order(candidates: Candidates, config: SelectionConfig, seed: int) -> CuratedOrder:
    """Rank the candidates as the config says. Raises ValueError where a policy lacks what it needs."""
    n = len(candidates)
    parts = config.parts or (SelectionPart("all", 1.0),)
    inside = [_holds(candidates, part.keep) for part in parts]
    ranked = [
        _last(candidates, config, np.flatnonzero(rows), part, seed) for rows, part in zip(inside, parts, strict=True)
    ]
    orders = [rows[np.argsort(each.place)] for rows, each in ranked]
    merged = merge_parts(orders, config.part_shares(), n) if len(parts) > 1 else _alone(*ranked[0], n)
    place = merged.place
    capped = np.zeros(n, bool)
    if config.caps and n:
        there = np.flatnonzero(place)
        groups = np.stack([group_numbers(candidates.columns[cap.of][there]) - 1 for cap in config.caps], axis=1)
        capped[there] = ~within_caps(place[there], groups, [cap.most for cap in config.caps])
        place = _closed_up(np.where(capped, 0, place))
    return CuratedOrder(place, merged.part, capped, _strata(ranked, merged.part))


def _last(
    candidates: Candidates, config: SelectionConfig, rows: Int64Array, part: SelectionPart, seed: int
) -> tuple[Int64Array, Ranked]:
    """The rows of a part, ranked by its policy; those for which `last` holds come after all the others."""
    policy = config.chosen(part.policy)
    ranked = policy.rank(candidates.at(rows), seed)
    if config.last is None:
        return rows, ranked
    late = _holds(candidates, config.last)[rows]
    place = np.empty(len(rows), np.int64)
    place[np.lexsort((ranked.place, late))] = np.arange(1, len(rows) + 1)
    return rows, replace(ranked, place=place)


def _alone(rows: Int64Array, ranked: Ranked, n: int) -> Merged:
    """The ranking of the only part."""
    place, part = np.zeros(n, np.int64), np.full(n, -1, np.int32)
    place[rows], part[rows] = ranked.place, 0
    return Merged(place, part)


def _holds(candidates: Candidates, predicate: str | None) -> BoolArray:
    """For which samples a predicate is true; all where there is none. Null is not true."""
    if predicate is None:
        return np.ones(len(candidates), bool)
    values = np.asarray(candidates.columns[predicate], np.float64)
    return np.asarray(np.nan_to_num(values, nan=0.0) != 0)


def _closed_up(place: Int64Array) -> Int64Array:
    """The same order without gaps; 0 stays."""
    closed = np.zeros(len(place), np.int64)
    there = np.flatnonzero(place)
    closed[there[np.argsort(place[there])]] = np.arange(1, len(there) + 1)
    return closed


def _strata(ranked: list[tuple[Int64Array, Ranked]], part: Int32Array) -> Int32Array:
    """The strata of the parts under their parts, finest first; a part of fewer levels has its finest ones twice."""
    depth = max(each.strata.shape[1] for _, each in ranked)
    columns = np.zeros((len(part), depth), np.int64)
    for number, (rows, each) in enumerate(ranked):
        mine = part[rows] == number
        padded = np.pad(each.strata, ((0, 0), (depth - each.strata.shape[1], 0)), mode="edge")
        columns[rows[mine]] = padded[mine]
    return nested([*columns.T, part.astype(np.int64) + 1]) if len(ranked) > 1 else columns.astype(np.int32)
