"""The pool's samples that are most like some seeds, so that every prefix serves all seeds alike.

Retrieval is the other half of the recipes that clustering alone does not win (DINOv3, arXiv 2508.10104, section 3 and
table 1; DINOv2, arXiv 2304.07193, section 3: for every seed its k nearest images of the pool).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array, check_embeddings, row_blocks
from windrow.tasks.algorithms.neighbors.exact_neighbors import QUERY_BLOCK, search

NEVER = np.inf
MOST_HELD = 2**21
"""Neighbours in memory at once: it bounds how many seeds are searched for together."""


def retrieve(embeddings: npt.NDArray[Any], seeds: npt.NDArray[Any], size: int) -> Int64Array:
    """Rows (min(size, n),) of embeddings (n, d), each once, those most like the seeds (m, d) by cosine first.

    In round r every seed brings its r-th nearest row; one that came in an earlier round does not come again. So after
    round r the order holds exactly the r nearest rows of every seed, and every prefix lies between two such sets.
    Within a round the most similar come first, then the lowest row. The order does not depend on that of the seeds,
    and the order of a smaller size is its prefix. Exact: time is that of comparing every seed with every row, and
    again, for twice as many neighbours, while those of many seeds are the same; memory n and MOST_HELD. Raises
    ValueError for embeddings that are not finite (n, d), for no seeds, and for a negative size.

    >>> import numpy as np
    >>> from windrow.tasks.algorithms.selection.retrieval import retrieve
    >>> retrieve(np.array([[1, 0.1], [1, 0.2], [0.1, 1]]), seeds=np.array([[1, 0], [0, 1]]), size=2)
    array([0, 2])
    """
    check_embeddings("seeds", seeds)
    if not len(seeds):
        raise ValueError("seeds: wants one or more, got none")
    if size < 0:
        raise ValueError(f"size: wants 0 or more, got {size}")
    n = len(embeddings)
    size = min(size, n)
    if not size:
        return np.empty(0, np.int64)
    k = -(-size // len(seeds))
    while np.count_nonzero((turn := _turns(embeddings, seeds, k)) < NEVER) < size:
        k = min(2 * k, n)
    return np.argsort(turn, kind="stable")[:size]


def _turns(embeddings: npt.NDArray[Any], seeds: npt.NDArray[Any], k: int) -> Float64Array:
    """When each row (n,) comes: its first round, from 0, and behind the point its distance there; NEVER in none of k.

    A cosine distance is from 0 to 2, here 0 to 1/2: float64 holds it beside rounds up to a million as float32 does.
    """
    turn = np.full(len(embeddings), NEVER)
    for block in row_blocks(len(seeds), max(1, min(QUERY_BLOCK, MOST_HELD // k))):
        found = search(seeds[block], embeddings, k)
        turns = np.arange(k) + (1 - np.clip(found.similarity.astype(np.float64), -1, 1)) / 4
        np.minimum.at(turn, found.indices.ravel(), turns.ravel())
    return turn
