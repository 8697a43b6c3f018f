"""The sets beside the pool that it is to be like: seeds of parts, and the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from windrow.tasks.selection.selection_config import KEEP_AWAY, REFERENCE, SelectionConfig
from windrow.tasks.storage.store.made import Made, Opened
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.pool import read_pool


def targets_beside(store: Path, made: Made, config: SelectionConfig) -> Opened:
    """Open the features of the sets that the ranking asks, by the setting that names each."""
    unasked = {KEEP_AWAY} if any("targets" in policy.needs for policy in config.policies()) else {KEEP_AWAY, REFERENCE}
    return {place: features_beside(store, made, place) for place in made.beside_features if place not in unasked}


def features_beside(store: Path, made: Made, place: str) -> list[Output]:
    """Open the features of one set beside the pool."""
    return [open_output(store / path) for path in made.beside_features[place]]


def embeddings_beside(place: str, features: Sequence[Output]) -> npt.NDArray[np.float16]:
    """Return the embeddings (m, dim) of a set, by `sample_id`. Raises ValueError where none of it could be embedded."""
    found = read_pool(features).embeddings
    if not len(found):
        raise ValueError(f"{place}: wants a picture that can be read, got none")
    return found
