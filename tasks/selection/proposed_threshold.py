"""The near-duplicate threshold of a run: as set, or proposed from its neighbours."""

from __future__ import annotations

import numpy as np

from windrow.schemas import SCORES
from windrow.tasks.algorithms.neighbors.duplicate_threshold import DuplicateThreshold, propose_threshold
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.storage.store.outputs import Output


def threshold_of(neighbors: Output, config: SelectionConfig) -> DuplicateThreshold:
    """Return the threshold of a config; 'auto' is proposed from an output of the stage `neighbors`."""
    if config.near_duplicate_threshold != "auto":
        return DuplicateThreshold(config.near_duplicate_threshold, "as set")
    nearest = neighbors.read(SCORES, ["nearest_similarity"])["nearest_similarity"]
    return propose_threshold(nearest.to_numpy().astype(np.float32))
