"""Which samples of a leaf of the tree come first."""

from __future__ import annotations

import re

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.selection.column_values import sort_keys
from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need

NEEDS: dict[str, tuple[Need, ...]] = {
    "closest": (),
    "farthest": (),
    "random": (),
    "typical": ("similarity",),
    "density": ("similarity",),
    "surest": ("probabilities",),
}
"""The orders by name, and what they need; any other text is a SQL expression."""

# Of 15 pools of CIFAR-10 (4,865 samples, tails of 100 : 1, features of EfficientNet-Lite0) 1,000 were drawn. A ridge
# probe in MobileNet's space was better than on random ones by 2.1 +- .5, 3.2 +- .8, 3.7 +- 1.3 and 3.6 +- 1.5 points
# (95 %) with the powers 8, 16, 32 and 64, class-weighted by 2.1, 3.0, 3.3 and 3.1; by 2.8 with k = 5, 1.8 with k = 1.
N_NEIGHBORS = 20
POWER = 32.0
LEAST_DISTANCE = 1e-6  # of a sample with a copy of itself: last of all, at random

DIRECTION = re.compile(r"\s+(asc|desc)\s*$", re.IGNORECASE)


def order_expressions(order: str) -> tuple[str, ...]:
    """The SQL expression of an order, without its ASC or DESC; none of a named one."""
    return () if order in NEEDS else (DIRECTION.sub("", order),)


def order_needs(order: str) -> tuple[Need, ...]:
    """What an order needs of the candidates."""
    return NEEDS.get(order, ())


def leaf_keys(order: str, candidates: Candidates, seed: int, policy: str) -> Float64Array:
    """What the samples of a leaf are ordered by, lowest first, float64 (n,).

    order: closest or farthest (of the centroid), random, typical (`typicality`), density (`density_keys`), surest
    label, or a SQL expression as of ORDER BY: lowest first unless it ends in DESC, null last. Raises ValueError, in
    the name of the policy, where the candidates lack what it needs.
    """
    match order:
        case "closest":
            return candidates.distance.astype(np.float64)
        case "farthest":
            return -candidates.distance.astype(np.float64)
        case "random":
            return uniform_numbers(candidates, seed)
        case "typical":
            return -typicality(candidates.known("similarity", policy), N_NEIGHBORS)
        case "density":
            similarity = candidates.known("similarity", policy)
            return density_keys(similarity, uniform_numbers(candidates, seed), N_NEIGHBORS, POWER)
        case "surest":
            return np.asarray(-candidates.known("probabilities", policy).probabilities[:, 0], np.float64)
    direction = DIRECTION.search(order)
    (expression,) = order_expressions(order)
    return sort_keys(candidates.columns[expression], descending=bool(direction and direction[1].lower() == "desc"))


def uniform_numbers(candidates: Candidates, seed: int) -> Float64Array:
    """A random number from 0 to 1, 1 excluded, for each sample, float64 (n,): the same for an id in whatever pool.

    So a draw from a pool that has grown is, but for what is new, the draw of before.
    """
    letters = np.ascontiguousarray(candidates.sample_ids.astype(np.str_))
    columns = letters.view(np.uint32).reshape(len(letters), -1) if len(letters) else np.zeros((0, 1), np.uint32)
    mixed = np.zeros(len(letters), np.uint64)
    for column in columns.T:
        mixed = np.where(column > 0, seeded_order(mixed ^ column, seed), mixed)  # shorter ids are filled with zeros
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)


def typicality(similarity: Float32Array, k: int) -> Float64Array:
    """Mean cosine similarity to the k nearest, float64 (n,); -1 of a sample without neighbours.

    Hacohen, Dekel and Weinshall 2022 (arXiv 2202.02794) take 1 / (mean distance to the 20 nearest). similarity:
    float32 (n, k or more), nearest first, -1 where there was none left.
    """
    near = similarity[:, :k].astype(np.float64)
    there = near > -1
    n_there = there.sum(axis=1)
    return np.asarray(np.where(n_there, np.where(there, near, 0).sum(axis=1) / np.maximum(n_there, 1), -1.0))


def density_keys(similarity: Float32Array, uniform: Float64Array, k: int, power: float) -> Float64Array:
    """Keys of a random order, lowest first, in which samples are drawn by d^power, float64 (n,).

    d is the Euclidean distance of unit rows to the k-th nearest, or to the last there is; 1 / d^dim is the k-NN
    estimate of the density.
    """
    near = similarity[:, :k].astype(np.float64)
    last = np.maximum((near > -1).sum(axis=1), 1) - 1
    farthest = near[np.arange(len(near)), last] if near.shape[1] else np.full(len(near), -1.0)
    distance = np.sqrt(np.maximum(2 - 2 * farthest, 0))
    return weighted_keys(np.maximum(distance, LEAST_DISTANCE), power, uniform)


def weighted_keys(bases: Float64Array, power: float, uniform: Float64Array) -> Float64Array:
    """Keys of a random order, lowest first, in which samples are drawn by bases^power, float64 (n,).

    Ordering by -ln(u) / w draws by weight w without replacement (Efraimidis and Spirakis 2006, Weighted random sampling
    with a reservoir); here its logarithm, as a high power leaves the range of numbers. bases: (n,), positive.
    """
    with np.errstate(divide="ignore"):  # u is below 1; at 0 the logarithm is -infinite, which is first
        return np.asarray(np.log(-np.log1p(-uniform)) - power * np.log(bases))
