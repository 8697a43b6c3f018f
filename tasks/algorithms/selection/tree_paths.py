"""The tree that a ranking is balanced over: levels of clusters, labels, or any column of the pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.arrays import Int32Array, Int64Array
from windrow.tasks.algorithms.selection.column_values import group_numbers
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need

CLUSTERS, LABEL = "clusters", "label"


def tree_needs(tree: Sequence[str]) -> tuple[Need, ...]:
    """What a tree needs of the candidates."""
    return ("probabilities",) if LABEL in tree else ()


def tree_expressions(tree: Sequence[str]) -> tuple[str, ...]:
    """The levels of a tree that are SQL expressions."""
    return tuple(level for level in tree if level not in (CLUSTERS, LABEL))


def tree_paths(tree: Sequence[str], candidates: Candidates, policy: str) -> Int32Array:
    """The groups of each sample, int32 (n, n_levels), finest first: 'clusters' stands for all levels of them.

    tree: finest first; 'label' is the most probable class, anything else a SQL expression, whose null is a group too.
    A group lies in one group of the level above: clusters below labels are the clusters of each label. The numbers
    depend on the values, not on the order of the samples. Raises ValueError where there are no labels for 'label'.
    """
    if tuple(tree) == (CLUSTERS,):
        return candidates.paths
    columns: list[Int64Array] = []
    for level in tree:
        if level == CLUSTERS:
            columns += list(candidates.paths.T.astype(np.int64))
        elif level == LABEL:
            columns.append(most_probable(candidates, policy))
        else:
            columns.append(group_numbers(candidates.columns[level]))
    return nested(columns)


def most_probable(candidates: Candidates, policy: str) -> Int64Array:
    """The most probable class of each sample, int64 (n,), from 1; 0 where it has none."""
    return np.asarray(candidates.known("probabilities", policy).classes[:, 0].astype(np.int64) + 1)


def nested(columns: Sequence[Int64Array]) -> Int32Array:
    """Groups of groups, int32 (n, n_levels), finest first, from a number >= 0 a sample and level (n,)."""
    groups = np.empty((len(columns[0]), len(columns)), np.int32)
    above = np.zeros(len(columns[0]), np.int64)
    for level in range(len(columns) - 1, -1, -1):
        pairs = above * (int(columns[level].max(initial=0)) + 1) + columns[level]
        above = np.unique(pairs, return_inverse=True)[1].reshape(-1).astype(np.int64)
        groups[:, level] = above
    return groups


def numbered(clusters: Int32Array) -> Int64Array:
    """The clusters (n,) that have members, numbered from 0 in their order, int64 (n,)."""
    there = np.bincount(clusters) > 0
    return np.asarray((np.cumsum(there) - 1)[clusters], np.int64)
