"""The mean colours of a version's sources, from some pictures of each: what a card says of them, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from windrow.tasks.pictures.guarded import decode_guarded
from windrow.tasks.pictures.opening import UnreadableImage

PER_SOURCE = 64
"""Pictures of a source that are looked at in each shard. A thousand tell a mean to half a percent; all would cost more
than the rest of an export."""
SIDE = 64


def drawn_samples(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the samples of a shard to look at: of each source the first PER_SOURCE by `sample_id`, a hash."""
    of_source: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        of_source[row["source_uri"]].append(row["sample_id"])
    return frozenset(sample_id for ids in of_source.values() for sample_id in sorted(ids)[:PER_SOURCE])


def channel_means(data: bytes) -> dict[str, float] | None:
    """Return the means of red, green and blue over a picture's pixels, 0 to 1; None where it cannot be read."""
    try:
        pixels = np.asarray(decode_guarded(data, SIDE))
    except UnreadableImage:
        return None
    return dict(zip(("red", "green", "blue"), (pixels.mean(axis=(0, 1)) / 255).tolist(), strict=True))
