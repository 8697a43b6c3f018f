"""The order in which an epoch visits samples: shuffled, by shares of groups, or by weight.

Each is a function of the seed and the epoch's number alone, so an order need never be stored to be gone on with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of an epoch's draws; equal seed and epoch give equal draws on every machine."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))


def shuffled_order(sizes: Sequence[int], window: int, draws: np.random.Generator) -> Places:
    """Return the places of samples that lie in shards of `sizes`, one after the other, in random order.

    With window = 0 every order is equally likely. Else the shards are shuffled, put one after the other, and shuffled
    again `window` samples at a time, so that what is read within a window comes from few shards.
    """
    n = sum(sizes)
    if not window:
        return draws.permutation(n)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    shards = [np.arange(starts[shard], starts[shard + 1]) for shard in draws.permutation(len(sizes))]
    order = np.concatenate(shards) if shards else np.empty(0, np.int64)
    for first in range(0, n, window):
        draws.shuffle(order[first : first + window])
    return order


def grouped_order(groups: Places, shares: npt.NDArray[np.float64], n: int, draws: np.random.Generator) -> Places:
    """Return n places such that every stretch of the order holds each group by its share.

    `groups` is the group of each sample, from 0; `shares` (n_groups,) are at least 0 and need not sum to 1. A group
    gets the whole number below or above n times its share; within it, every sample comes before any comes again. The
    k-th draw of a group of share s has the key (k + u) / s, with one random u from 0 to 1 a group (stride scheduling).

    Raises ValueError when a group with a share has no sample.
    """
    sizes = np.bincount(groups, minlength=len(shares))
    if empty := np.flatnonzero((sizes == 0) & (shares > 0)).tolist():
        raise ValueError(f"shares: groups {empty} have a share and no sample")
    counts = whole_counts(shares / shares.sum() * n)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    places, keys = [], []
    for group in np.flatnonzero(counts):
        places.append(in_turn(members[group], int(counts[group]), draws))
        keys.append((np.arange(counts[group]) + draws.random()) / counts[group])
    if not places:
        return np.empty(0, np.int64)
    return np.concatenate(places)[np.argsort(np.concatenate(keys), kind="stable")]


def weighted_order(weights: npt.NDArray[np.float64], n: int, draws: np.random.Generator) -> Places:
    """Return n places in random order, each as often as n times its weight's share says, to less than one.

    Systematic sampling (Madow 1949): one random start, then equal steps along the summed weights. Raises ValueError
    when no weight is above 0, or one is below 0 or no number.
    """
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise ValueError("weights: want numbers of 0 or more, one of them above 0")
    ends = np.cumsum(weights)
    steps = (np.arange(n) + draws.random()) / n * ends[-1]
    places = np.searchsorted(ends, steps, side="right").astype(np.int64)
    return draws.permutation(np.minimum(places, np.flatnonzero(weights)[-1]))


def whole_counts(wanted: npt.NDArray[np.float64]) -> Places:
    """Return whole numbers with the sum of `wanted`, each the one below or above: the largest remainders go up."""
    counts = np.floor(wanted + 1e-9).astype(np.int64)
    missing = round(float(wanted.sum())) - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    return counts


def in_turn(members: Places, n: int, draws: np.random.Generator) -> Places:
    """Return n of `members` in random order; all come before any comes again, in another order."""
    rounds = [draws.permutation(members) for _ in range(-(-n // len(members)))]
    return np.concatenate(rounds)[:n]
