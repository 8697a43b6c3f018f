"""The names of array types, one set for the whole package: the dtype; docstrings say the shape."""

from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


def as_embeddings(values: Any, name: str = "embeddings") -> npt.NDArray[np.floating[Any]]:
    """Embeddings as they may come, as float16 or float32 (n, d): what is neither, lists too, becomes float32.

    Raises ValueError, naming the argument, for what are no rows of equally many numbers.
    """
    try:
        found = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected numbers of shape (n, d): {error}") from None
    if found.ndim != 2 or found.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected numbers of shape (n, d), got {found.dtype} {found.shape}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused with its row
        return found if found.dtype in (np.float16, np.float32) else found.astype(np.float32)
