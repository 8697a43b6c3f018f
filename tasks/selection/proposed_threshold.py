"""The near-duplicate threshold of a run: as set, or proposed from its neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas import SCORES
from windrow.tasks.algorithms.neighbors.duplicate_threshold import DuplicateThreshold, propose_threshold
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.storage.store.outputs import Output


def threshold_of(neighbors: Output, config: SelectionConfig) -> DuplicateThreshold:
    """Return the threshold of a config; 'auto' is proposed from an output of the stage `neighbors`."""
    if config.near_duplicate_threshold != "auto":
        return DuplicateThreshold(config.near_duplicate_threshold, "as set")
    nearest = neighbors.read(SCORES, ["nearest_similarity"])["nearest_similarity"]
    return propose_threshold(np.concatenate([np.zeros(0, np.float32), *map(_floats, nearest.chunks)]))


def _floats(column: pa.Array) -> npt.NDArray[np.float32]:
    """A float32 column without nulls as it lies: `to_numpy` imports pandas, and a run with nothing to do comes here."""
    return np.frombuffer(column.buffers()[1], np.float32)[column.offset : column.offset + len(column)]
