"""Bounds of cosine similarity from few numbers: short rows whose products are never below it.

Let a(x) be the coordinates of a unit vector x along p orthonormal directions, and r(x) the length of what is left of
it. By Cauchy-Schwarz cos(x, y) <= a(x).a(y) + r(x) r(y), and (a(x), r(x)) is a unit vector of p + 1 numbers. That holds
for any directions; along the principal ones of a sample the bound is close. They cost time when they are badly found,
and no pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.neighbors.cosine_pairs import TILE, CosinePairs

SAMPLED = 2048
"""Rows that directions are found on."""
JUDGED = 512
"""Of these, rows that are compared with all of them, to choose how many directions are used."""
ROUNDS = 4
PREFIXES = (0, 16, 32, 48, 64, 96, 128, 192, 256)
"""Numbers of directions to choose from."""
GATHERED = 150.0
"""What a number costs when pairs are compared one by one, in numbers of a matrix product. Measured."""
LOOKED_AT = 16
"""What it costs to look at a product, in the same."""
INFLATED = 2.0**-22
"""Is added to r^2, so that it is never too small: more than |a|^2 gains when its terms are rounded to float32."""


@dataclass(frozen=True)
class CosineBounds:
    """short: float32 (n, p + 1), zero rows of zero vectors; slack: by how much rounding can take a product of two of
    them, in float32 and any order of summation, below the cosine similarity as `CosinePairs.similarity` has it."""

    short: Float32Array
    slack: float


def cosine_bounds(pairs: CosinePairs, n_pairs: int) -> CosineBounds:
    """Bounds for the rows of pairs, of which n_pairs are to be held against its threshold: that chooses p."""
    n, d = pairs.embeddings.shape
    rng = np.random.default_rng(0)
    sampled = np.sort(rng.choice(n, min(n, SAMPLED), replace=False))
    sample = pairs.unit(sampled)
    directions = principal_directions(sample, min(max(PREFIXES), d), rng)
    p = _cheapest(sample @ directions, pairs, n / max(n_pairs, 1))
    short = np.empty((n, p + 1), np.float32)
    for start in range(0, n, TILE):
        rows = np.arange(start, min(start + TILE, n))
        short[rows] = _shortened(pairs.unit(rows) @ directions[:, :p])
    short[pairs.squares == 0] = 0
    # p + 1 roundings of a product's terms and sums, those of the rows' own numbers, and of the similarity: in units
    # of 2^-24, twice as many as there can be.
    return CosineBounds(short, (p + 16) * 2.0**-23)


def principal_directions(sample: Float64Array, p: int, rng: np.random.Generator) -> Float64Array:
    """About the p <= d principal directions of rows (m, d), the first the widest: orthonormal columns (d, p).

    Orthogonal iteration (Golub and Van Loan, Matrix computations, 8.2.4) from a random start.
    """
    directions = rng.standard_normal((sample.shape[1], p))
    for _ in range(ROUNDS):
        directions = np.linalg.qr(sample.T @ (sample @ directions))[0]
    return directions


def _shortened(coordinates: Float64Array) -> Float32Array:
    """Coordinates (n, p) in float32, and beside them the length of the rest of their unit vectors."""
    a = coordinates.astype(np.float32)
    rest = 1 - np.einsum("ij,ij->i", a, a, dtype=np.float64)
    return np.column_stack([a, np.sqrt(np.maximum(rest, 0) + INFLATED).astype(np.float32)])


def _cheapest(coordinates: Float64Array, pairs: CosinePairs, rows_a_pair: float) -> int:
    """The number of directions with which a pair costs least: its own product, a share of the rows', what is left."""
    d = pairs.embeddings.shape[1]
    judged: Int64Array = np.arange(0, len(coordinates), max(1, len(coordinates) // JUDGED))
    costs: dict[int, float] = {}
    for p in sorted({min(p, d) for p in PREFIXES}):
        short = _shortened(coordinates[:, :p])
        n_left = np.count_nonzero(short[judged] @ short.T >= pairs.threshold)
        share = n_left / max(len(judged) * len(short), 1)
        costs[p] = p + rows_a_pair * d * p + min(d + LOOKED_AT, d * GATHERED * share)
    return min(costs, key=lambda p: costs[p])
