"""Lists of classes as a column of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from windrow.tasks.algorithms.labels.class_lists import ClassLists


def class_list_column(lists: ClassLists, classes: Sequence[str], *, empty_is_null: bool = False) -> pa.ListArray:
    """A list<string> of the names of each sample's classes, ascending; an empty one is null where that is asked for.

    Raises ValueError when a list holds a class that has no name, or all are too many for 32-bit offsets (2^31).
    """
    if len(lists.classes) and not 0 <= lists.classes.min() <= lists.classes.max() < len(classes):
        raise ValueError(f"lists must be of classes from 0 to {len(classes) - 1}, got {lists.classes.max()}")
    if len(lists.classes) >= 2**31:
        raise ValueError(f"lists must hold fewer than 2^31 classes in all, got {len(lists.classes)}")
    names = pa.array(classes, pa.string()).take(pa.array(lists.classes))
    # A null's offset is the next one's: its list is empty underneath.
    nulls = pa.array(lists.sizes == 0) if empty_is_null else None
    return pa.ListArray.from_arrays(pa.array(lists.offsets.astype(np.int32)), names, mask=nulls)
