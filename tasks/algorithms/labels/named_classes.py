"""Labels as people have them (names, numbers, gaps) as class numbers, and back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array


@dataclass(frozen=True)
class NamedClasses:
    """classes: (n_classes,), what the labels call them, sorted; labels: int64 (n,), each one's place there, or -1."""

    classes: npt.NDArray[Any]
    labels: Int64Array


def name_classes(labels: Collection[Any] | npt.NDArray[Any], n: int) -> NamedClasses:
    """The classes of n labels, strings or numbers. None, '', NaN and negative numbers stand for 'not labelled'.

    Raises ValueError unless there is one entry for each of n samples, and two classes or more.
    """
    values = labels if isinstance(labels, np.ndarray) else np.array(labels, dtype=object)
    if values.shape != (n,):
        raise ValueError(f"labels: expected one for each of {n} samples, got shape {values.shape}")
    known = np.array([_is_label(value) for value in values.tolist()], dtype=np.bool_)
    given = values[known].tolist()
    if len({isinstance(value, str) for value in given}) > 1:
        raise ValueError(f"labels: expected all strings or all numbers, got {given[:5]}")
    classes, places = np.unique(np.array(given), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels: expected two classes or more, got {classes.tolist()}")
    found = np.full(n, -1, dtype=np.int64)
    found[known] = places
    return NamedClasses(classes, found)


def _is_label(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return bool(value)
    if not isinstance(value, int | float | np.number | np.bool_):
        raise ValueError(f"labels: expected strings or numbers, got {value!r}")
    return bool(value >= 0)
