"""Rules for what a batch holds: of one cluster, at most one of each, classes evenly, so many labelled ones.

Each takes the group of every sample and returns batches, arrays of places, in random order; every sample is in one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.batches.sample_order import Places, grouped_order, in_turn

Batches = list[Places]


def mixed_batches(n: int, batch_size: int, draws: np.random.Generator) -> Batches:
    """Cut a random order of n samples into batches; the last has what is left."""
    return _cut(draws.permutation(n), batch_size)


def same_group_batches(groups: Places, batch_size: int, draws: np.random.Generator) -> Batches:
    """Each batch holds samples of one group. What is left of a group is filled up with samples of it that come again.

    Of a group smaller than a batch the samples come as often as it takes.
    """
    batches = []
    for members in _members(groups):
        n_batches = -(-len(members) // batch_size)
        batches += _cut(in_turn(members, n_batches * batch_size, draws), batch_size)
    return _shuffled(batches, draws)


def one_per_group_batches(groups: Places, batch_size: int, draws: np.random.Generator) -> Batches:
    """No batch holds two samples of a group; every sample is in one batch, and all batches are equally large, to one.

    There are as many batches as the largest group has samples, or as `batch_size` needs: samples are dealt out group
    after group, one batch after the other (McNaughton's wrap-around rule), so one group's never meet.
    """
    order = np.concatenate([draws.permutation(members) for members in _shuffled(_members(groups), draws)])
    n_batches = max(int(np.bincount(groups).max()), -(-len(groups) // batch_size))
    return _shuffled([order[first::n_batches] for first in range(n_batches)], draws)


def class_balanced_batches(groups: Places, batch_size: int, draws: np.random.Generator) -> Batches:
    """Each batch holds every group equally often, to one; exactly so where `batch_size` is a multiple of their number.

    There are as many batches as it takes for every sample of the largest group to come; others come again.
    """
    present, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if batch_size < len(present):
        raise ValueError(f"batch_size: wants at least the {len(present)} classes, got {batch_size}")
    n_batches = -(-int(sizes.max()) * len(present) // batch_size)
    if batch_size % len(present) == 0:
        columns = [in_turn(members, n_batches * batch_size // len(present), draws) for members in _members(codes)]
        grid = np.stack(columns, axis=1).reshape(n_batches, batch_size)
        return [draws.permutation(batch) for batch in grid]
    return _cut(grouped_order(codes, np.ones(len(present)), n_batches * batch_size, draws), batch_size)


def quota_batches(
    is_labelled: npt.NDArray[np.bool_], quota: int, batch_size: int, draws: np.random.Generator
) -> Batches:
    """Each batch holds `quota` samples that are labelled and batch_size - quota that are not (FixMatch's two streams).

    There are as many batches as it takes for every sample of either stream to come; the other's come again. Raises
    ValueError when the quota is not from 1 to batch_size - 1, or a stream has no sample.
    """
    streams = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    sizes = quota, batch_size - quota
    if min(sizes) < 1 or not all(len(stream) for stream in streams):
        raise ValueError(
            f"quota: wants 1 to {batch_size - 1}, and samples with and without a label, got {quota},"
            f" {len(streams[0])} with and {len(streams[1])} without"
        )
    n_batches = max(-(-len(stream) // size) for stream, size in zip(streams, sizes, strict=True))
    parts = [
        in_turn(stream, n_batches * size, draws).reshape(n_batches, size)
        for stream, size in zip(streams, sizes, strict=True)
    ]
    return list(np.concatenate(parts, axis=1))


def interleaved(main: Batches, other: Batches, share: float, draws: np.random.Generator) -> Batches:
    """Return all of `main`, and so many of `other`, in turn, that these are `share` of all, evenly strewn.

    DINOv3 (arXiv 2508.10104, section 3.2) has a tenth of its batches of one source. Raises ValueError when the share is
    not from 0 to below 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share: wants 0 to below 1, got {share}")
    n_other = round(len(main) * share / (1 - share))
    chosen = [other[i] for i in in_turn(np.arange(len(other)), n_other, draws)] if n_other else []
    keys = [(np.arange(n) + draws.random()) / max(n, 1) for n in (len(main), n_other)]
    return [[*main, *chosen][i] for i in np.argsort(np.concatenate(keys), kind="stable")]


def _members(groups: Places) -> Batches:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _cut(order: Places, batch_size: int) -> Batches:
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


def _shuffled(batches: Sequence[Places], draws: np.random.Generator) -> Batches:
    return [batches[i] for i in draws.permutation(len(batches))]
