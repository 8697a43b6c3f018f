"""The interval that every figure of a benchmark comes with: Student's t over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t


def half_width(values: npt.ArrayLike) -> Any:
    """Half of a 95 % interval of the mean of values (n, ...) over their first axis; nan of one value alone."""
    each = np.asarray(values, np.float64)
    if len(each) < 2:
        return np.full(each.shape[1:], np.nan)[()]
    return t.ppf(0.975, len(each) - 1) * each.std(axis=0, ddof=1) / np.sqrt(len(each))


def told(values: Sequence[float], digits: int = 1, sign: str = "") -> str:
    """`mean ± half`, with so many digits; `sign` is "+" where the mean is to have one."""
    return f"{np.mean(values):{sign}.{digits}f} ± {half_width(values):.{digits}f}"
