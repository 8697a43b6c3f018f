"""Thumbnails: original bytes as small images inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from windrow.tasks.pictures.guarded import decode_guarded
from windrow.tasks.pictures.opening import UnreadableImage
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone

Reader = Callable[[Sequence[str]], Iterable[tuple[str, bytes | SampleGone]]]

SIDE = 96
TINY = 64
JPEG_QUALITY = 80

PLACES_SQL = """
SELECT * FROM occurrences SEMI JOIN (
    SELECT occurrence_id FROM pool WHERE sample_id IN (SELECT unnest($1::VARCHAR[]))
) USING (occurrence_id) ORDER BY source_uri, shard, position
"""


@dataclass(frozen=True)
class Thumbnail:
    """An image as a data URI of at most SIDE pixels; `tiny` ones are shown larger, with crisp pixels."""

    uri: str
    tiny: bool


def sample_reader(connection: Any, store: Path) -> Reader:
    """Return a function that gives the bytes of samples, each read from the occurrence that stands for it.

    Samples come in the order in which they lie in their sources, so a shard is read once; those without a readable
    occurrence do not come.
    """

    def read(sample_ids: Sequence[str]) -> Iterable[tuple[str, bytes | SampleGone]]:
        places = connection.sql(PLACES_SQL, params=[list(sample_ids)]).to_arrow_table()
        yield from read_samples(places, store)

    return read


def read_thumbnails(read: Reader, sample_ids: Iterable[str]) -> dict[str, Thumbnail | SampleGone]:
    """Return a thumbnail for each sample, or why there is none. One sample's bytes are in memory at a time."""
    wanted = sorted(set(sample_ids))
    found: dict[str, Thumbnail | SampleGone] = {name: SampleGone("no readable occurrence") for name in wanted}
    if wanted:
        found.update({name: data if isinstance(data, SampleGone) else thumbnail(data) for name, data in read(wanted)})
    return found


def thumbnail(data: bytes) -> Thumbnail | SampleGone:
    """Return a thumbnail of encoded image bytes. A tiny image keeps its pixels (PNG), others become small JPEGs."""
    small = small_image(data, SIDE)
    if isinstance(small, SampleGone):
        return small
    return Thumbnail(f"data:{small.media_type};base64,{base64.b64encode(small.data).decode()}", small.tiny)


@dataclass(frozen=True)
class SmallImage:
    """An encoded image; a `tiny` one has its own pixels."""

    data: bytes
    media_type: str
    tiny: bool


def small_image(data: bytes, side: int) -> SmallImage | SampleGone:
    """Return encoded image bytes as an image of at most `side` pixels, or of TINY if it is no larger."""
    try:
        image = decode_guarded(data, side)
    except UnreadableImage as error:
        return SampleGone(error.reason)
    tiny = max(image.size) <= TINY
    if not tiny:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG" if tiny else "JPEG", optimize=True, quality=JPEG_QUALITY)
    return SmallImage(file.getvalue(), "image/png" if tiny else "image/jpeg", tiny)
