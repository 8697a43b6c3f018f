"""The ranking that a config asks for: parts in their shares, what is off topic last, and at most so many of a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Int32Array, Int64Array
from windrow.tasks.algorithms.selection.caps import within_caps
from windrow.tasks.algorithms.selection.column_values import group_numbers
from windrow.tasks.algorithms.selection.merging import Merged, merge_parts
from windrow.tasks.algorithms.selection.retrieval import retrieve
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


def predicates_of(config: SelectionConfig) -> tuple[str, ...]:
    """Those of `expressions_of` that must be true or false."""
    return tuple(filter(None, [config.last, *(part.keep for part in config.parts)]))


def expressions_of(config: SelectionConfig) -> tuple[str, ...]:
    """The SQL expressions over `pool` whose values `curated_order` finds in the candidates' columns."""
    policies = [sql for policy in config.policies() for sql in policy.expressions]
    return tuple(dict.fromkeys([*predicates_of(config), *[cap.of for cap in config.caps], *policies]))


def curated_order(
    candidates: Candidates, config: SelectionConfig, seed: int, seeds: Mapping[str, npt.NDArray[Any]] | None = None
) -> CuratedOrder:
    """Rank the candidates as the config says. Raises ValueError where a policy lacks what it needs.

    seeds: embeddings (m, dim), by the setting that names them, for the parts that retrieve.
    """
    n = len(candidates)
    parts = config.parts or (SelectionPart("all", 1.0),)
    ranked = [
        _of_part(candidates, config, part, ceil(2 * share * n), seed, (seeds or {}).get(part.seeds_place))
        for part, share in zip(parts, config.part_shares(), strict=True)
    ]
    orders = [rows[np.argsort(each.place)] for rows, each in ranked]
    merged = merge_parts(orders, config.part_shares(), n) if len(parts) > 1 else _alone(*ranked[0], n)
    place = _late_last(merged.place, _holds(candidates, config.last)) if config.last else merged.place
    capped = np.zeros(n, bool)
    if config.caps and n:
        there = np.flatnonzero(place)
        groups = np.stack([group_numbers(candidates.columns[cap.of][there]) - 1 for cap in config.caps], axis=1)
        capped[there] = ~within_caps(place[there], groups, [cap.most for cap in config.caps])
        place = _late_last(np.where(capped, 0, place), np.zeros(n, bool))
    return CuratedOrder(place, merged.part, capped, _strata(ranked, merged.part))


def _of_part(
    candidates: Candidates,
    config: SelectionConfig,
    part: SelectionPart,
    most: int,
    seed: int,
    seeds: npt.NDArray[Any] | None,
) -> tuple[Int64Array, Ranked]:
    """The rows of a part, and their ranking by its policy or, without one, by its seeds: at most so many."""
    rows = np.flatnonzero(_holds(candidates, part.keep))
    if seeds is not None:
        candidates = replace(candidates, targets=seeds)
    if part.retrieve and part.policy is None:
        rows, ranked = _retrieved(candidates, rows, most)
    else:
        ranked = config.chosen(part.policy).rank(candidates.at(rows), seed)
    if config.last:
        ranked = replace(ranked, place=_late_last(ranked.place, _holds(candidates, config.last)[rows]))
    return rows, ranked


def _retrieved(candidates: Candidates, inside: Int64Array, most: int) -> tuple[Int64Array, Ranked]:
    """The rows, of those inside, that the targets bring, and their ranking: at most so many."""
    by_id = inside[np.argsort(candidates.sample_ids[inside], kind="stable")]
    embeddings, seeds = (candidates.known(need, "retrieve") for need in ("embeddings", "targets"))
    rows = by_id[retrieve(embeddings[by_id], seeds, most)]
    return rows, Ranked(np.arange(1, len(rows) + 1), candidates.paths[rows])


def _late_last(place: Int64Array, late: BoolArray) -> Int64Array:
    """The same ranking, where those that are late come after all the others; 0, not ranked, stays.

    Of each part and of all together: a part that ended with its late samples would else bring them before others'.
    """
    moved = np.zeros(len(place), np.int64)
    there = np.flatnonzero(place)
    moved[there[np.lexsort((place[there], late[there]))]] = np.arange(1, len(there) + 1)
    return moved


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


def _strata(ranked: list[tuple[Int64Array, Ranked]], part: Int32Array) -> Int32Array:
    """The strata of the parts under their parts, finest first; a part of fewer levels has its finest ones twice."""
    depth = max(each.strata.shape[1] for _, each in ranked)
    columns = np.zeros((len(part), depth), np.int64)
    for number, (rows, each) in enumerate(ranked):
        mine = part[rows] == number
        padded = np.pad(each.strata, ((0, 0), (depth - each.strata.shape[1], 0)), mode="edge")
        columns[rows[mine]] = padded[mine]
    whole = len(ranked) == 1 and (part == 0).all()
    return columns.astype(np.int32) if whole else nested([*columns.T, part.astype(np.int64) + 1])
