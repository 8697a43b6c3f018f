"""Which part of an epoch's order each of several ranks reads, so that all have equally many batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

LastBatch = Literal["pad", "drop"]


def rank_batches(
    n: int, batch_size: int, rank: int, n_ranks: int, last: LastBatch, start: int = 0
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the batches of one rank, as places in an order of n samples, from place `start` on.

    A step takes the next n_ranks * batch_size places, rank 0 the first batch_size of them: what has been read after a
    step does not depend on how many ranks read it. What is left for the last step is dealt out evenly: with
    last = 'pad', fewer than n_ranks places from the start of the order make up for what is missing; with 'drop' it is
    left out. Every rank gets as many batches, of as many samples, as every other.
    """
    step = batch_size * n_ranks
    for first in range(start, n, step):
        left = n - first
        if left >= step:
            yield np.arange(first + rank * batch_size, first + (rank + 1) * batch_size)
        elif last == "pad":
            size = -(-left // n_ranks)
            yield np.arange(first + rank * size, first + (rank + 1) * size) % n


def count_batches(n: int, batch_size: int, n_ranks: int, last: LastBatch, start: int = 0) -> int:
    """Return how many batches `rank_batches` yields."""
    whole, left = divmod(max(n - start, 0), batch_size * n_ranks)
    return whole + (last == "pad" and left > 0)
