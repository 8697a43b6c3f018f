"""A random order of samples that depends on their keys alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import UInt64Array


def seeded_order(keys: npt.NDArray[Any], seed: int) -> UInt64Array:
    """A random number (n,) for each key, int64 or uint64 (n,): the same for a key in whatever pool and place.

    A key is what stays with a sample: its sample_index, or int(sample_id[:16], 16). Different keys get different
    numbers: 'splitmix64' (Steele, Lea and Flood 2014) is a bijection, here of the key moved by the mixed seed.
    """
    if keys.ndim != 1 or keys.dtype not in (np.int64, np.uint64):
        raise ValueError(f"keys must be int64 or uint64 of shape (n,), got {keys.dtype} of shape {keys.shape}")
    start = _mixed(np.array([seed % 2**64], dtype=np.uint64))
    with np.errstate(over="ignore"):
        return _mixed(np.ascontiguousarray(keys).view(np.uint64) + start)


def _mixed(x: UInt64Array) -> UInt64Array:
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
