"""Which backbone a pool is compared by, and at what size, where the config leaves it open: decided once for a store.

`lite0` was trained on photographs, and sees little in what is drawn or scanned in grey: there `patches`, which learns
from the pool, does better (docs/evidence/encoders.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from windrow.schemas import SAMPLES
from windrow.schemas.embeddings import CHOSEN_BACKBONE
from windrow.schemas.stages import Part
from windrow.tasks.backbones.backbone import AUTO, BackboneConfig
from windrow.tasks.features.pool_images import pool_images
from windrow.tasks.storage.files.whole_columns import wide
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output

VERSION = 1
N_IMAGES = 200
"""Pictures that are looked at: enough to tell on which side of a half a share of .4 or .6 is, at 3 deviations."""
LOOKED_AT = 64
"""Side in pixels to which JPEGs may be drafted to be looked at."""
SMALL_SIDE = 64
"""Median short side, in pixels, up to which pictures are small: enlarged to 224 they cost five times as much."""
SIZES = {True: 96, False: 224}
GREY = 4.0
"""Mean difference of the largest and the smallest of red, green and blue, of 255, below which a picture is grey."""
FLAT = 0.2
"""Share of the pixels that are of the picture's commonest grey, from which on it has a background as paper has."""


@dataclass(frozen=True)
class Choice:
    """A backbone's name and its `image_size` (None: its own), and why."""

    name: str
    image_size: int | None
    reason: str


def choose_backbone(store: Path, ingested: Sequence[str], config: BackboneConfig) -> Done | None:
    """Decide what `config` leaves open by the pool, once for a store; None where nothing is open.

    By the median short side of all samples, and by the colours of those N_IMAGES with the lowest `sample_id`: neither
    shards nor their order matter. The pool is not part of the fingerprint: the first choice stays, or a night's new
    samples could change all embeddings. Raises ValueError where there is no sample.
    """
    if not config.is_open:
        return None

    def write(writer: OutputWriter) -> None:
        choice = _choice(store, [open_output(store / path) for path in ingested], config)
        columns = {"name": [choice.name], "image_size": [choice.image_size], "reason": [choice.reason]}
        writer.write(CHOSEN_BACKBONE, CHOSEN_BACKBONE.build(columns))

    inputs = {"name": config.name, "image_size": config.image_size, "n_images": N_IMAGES}
    return make_output(store, Part.CHOSEN_BACKBONE, VERSION, inputs, write)


def chosen_backbone(store: Path, chosen: Done | None, config: BackboneConfig) -> tuple[BackboneConfig, str | None]:
    """Return `config` with what was open filled in, and why it was taken: None where nothing was open."""
    if chosen is None:
        return config, None
    [row] = open_output(store / chosen.path).read(CHOSEN_BACKBONE).to_pylist()
    choice = Choice(**row)
    size = f" at {choice.image_size} pixels" if choice.image_size else ""
    return replace(config, name=choice.name, image_size=choice.image_size), f"{choice.name}{size} ({choice.reason})"


def _choice(store: Path, ingested: Sequence[Output], config: BackboneConfig) -> Choice:
    if config.name == AUTO:
        found = dict(pool_images(store, ingested, N_IMAGES, min_side=LOOKED_AT))
        drawn = [is_drawn(image) for image in found.values()]
        if not drawn:
            raise ValueError("features: no sample can be read, so none can tell which backbone suits the pool")
        seen = f"{sum(drawn)} of {len(drawn)} pictures looked at are drawings or scans in grey"
        if 2 * sum(drawn) > len(drawn):
            return Choice("patches", config.image_size, seen)
    else:
        seen = "as named"
    if config.image_size is not None:
        return Choice("lite0", config.image_size, seen)
    side = _median_short_side(ingested)
    return Choice("lite0", SIZES[side <= SMALL_SIDE], f"{seen}; the median short side is {side} pixels")


def is_drawn(image: Image.Image) -> bool:
    """Say whether an RGB picture is grey and has a background of one tone, as paper and unlit fields have."""
    pixels = np.asarray(image).astype(np.int32)
    tones = np.bincount(pixels.sum(axis=2).ravel() // 3, minlength=256)
    return bool(np.ptp(pixels, axis=2).mean() < GREY and tones.max() >= FLAT * tones.sum())


def _median_short_side(ingested: Sequence[Output]) -> int:
    """Each sample counts once, in however many shards it lies."""
    samples = wide(pa.concat_tables([output.read(SAMPLES, ["sample_id", "width", "height"]) for output in ingested]))
    sides = samples.append_column("side", pc.min_element_wise(samples["width"], samples["height"]))
    sides = sides.group_by("sample_id").aggregate([("side", "min")])["side_min"].to_numpy()
    if not len(sides):
        raise ValueError("features: the pool has no readable sample, so none can tell at what size they are compared")
    return int(np.sort(sides)[len(sides) // 2])
