"""The map of a pool as a stage of its own: an output that is made when it is first asked for, and found after that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from windrow.schemas.embeddings import MAP_PLACES
from windrow.schemas.stages import Part
from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.neighbors import neighbor_embedding as planes
from windrow.tasks.storage.store.outputs import (
    Done,
    NotDoneError,
    OutputWriter,
    content_fingerprint,
    make_output,
    only_finding,
    open_output,
)
from windrow.tasks.storage.store.pool import read_pool

VERSION = 1


def draw_map(store: Path, features: Sequence[str], seed: int) -> Done:
    """Write MAP_PLACES of the pool, in the order of `sample_id`; the count is n_samples.

    `features`: outputs with EMBEDDINGS. Raises ValueError for a pool of fewer than 2 embedded samples.
    """
    outputs = [open_output(store / path) for path in features]

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs)
        n = len(pool.sample_ids)
        if n < 2:
            raise ValueError(f"the pool has {n} samples with an embedding; a map needs at least 2")
        landmarks = _drawn(n, planes.LANDMARKS, seed)
        near = planes.neighbor_plane(pool.embeddings, landmarks, seed)
        flat = planes.principal_plane(pool.embeddings, landmarks)
        columns = dict(zip(MAP_PLACES.schema().names[1:], (*near.T, *flat.T), strict=True))
        writer.write(MAP_PLACES, MAP_PLACES.build({"sample_id": pool.sample_ids, **columns}))
        writer.counts["n_samples"] = n

    inputs = {"embeddings": content_fingerprint(outputs), "landmarks": planes.LANDMARKS, "seed": seed}
    return make_output(store, Part.MAP, VERSION, inputs, write)


def found_map(store: Path, features: Sequence[str], seed: int) -> Path | None:
    """Return the file of MAP_PLACES that `draw_map` made of these outputs; None where it has not."""
    with only_finding(), suppress(NotDoneError):
        return open_output(store / draw_map(store, features, seed).path).table_path(MAP_PLACES)
    return None


def _drawn(n: int, most: int, seed: int) -> Int64Array:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False)).astype(np.int64)
