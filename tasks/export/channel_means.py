"""The mean colours of a version's sources, from some pictures of each: what a card says of them, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.pictures.guarded import prepare_all_guarded
from windrow.tasks.pictures.sandbox import BATCH_BYTES, BATCH_IMAGES

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


class ChannelMeans:
    """Prepares the means of red, green and blue over a picture's pixels, 0 to 1: the bytes of three float64."""

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        means = np.asarray(image).mean(axis=(0, 1)) / 255
        return np.asarray(means.view(np.uint8))


class Measured:
    """Rows of CHANNELS, in the order in which pictures are added; the sandbox is asked for some at once.

    What cannot be read has no row.
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._waiting: list[tuple[str, bytes]] = []
        self._n_bytes = 0

    def add(self, sample_id: str, data: bytes) -> None:
        """Measure a picture, now or with the next ones."""
        self._waiting.append((sample_id, data))
        self._n_bytes += len(data)
        if len(self._waiting) == BATCH_IMAGES or self._n_bytes >= BATCH_BYTES:
            self._measure()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all."""
        self._measure()
        return self._rows

    def _measure(self) -> None:
        found = prepare_all_guarded([data for _, data in self._waiting], SIDE, ChannelMeans()) if self._waiting else []
        for (sample_id, _), means in zip(self._waiting, found, strict=True):
            if not isinstance(means, str):
                named = zip(("red", "green", "blue"), means.view(np.float64).tolist(), strict=True)
                self._rows.append({"sample_id": sample_id, **dict(named)})
        self._waiting, self._n_bytes = [], 0
