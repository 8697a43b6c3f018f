"""A few pictures of a pool, to learn from or to look at: a uniform sample, the same on any sharding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.pictures.guarded import decode_guarded
from windrow.tasks.pictures.opening import UnreadableImage
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import Output


def pool_images(
    store: Path, ingested: Sequence[Output], n: int, min_side: int | None = None
) -> Iterator[tuple[str, Image.Image]]:
    """Yield (sample_id, picture in RGB) of the `n` samples with the lowest `sample_id`, which is a hash.

    They come in the order of the shards, those that lie in several more than once; what cannot be read is left out.
    `min_side`: as `decode_rgb` takes it.
    """
    ids = read_table(SAMPLES, [output.table_path(SAMPLES) for output in ingested], ["sample_id"])["sample_id"]
    wanted = pc.unique(whole(ids)).sort()[:n]
    for output in ingested:
        rows = first_occurrences(output)
        rows = rows.filter(pc.is_in(rows["sample_id"], wanted))
        for sample_id, data in read_samples(rows, store):
            if isinstance(data, SampleGone):
                continue
            try:
                yield sample_id, decode_guarded(data, min_side)
            except UnreadableImage:
                continue


def first_occurrences(shard: Output) -> pa.Table:
    """One readable occurrence for each sample of a shard, in the order in which they lie there."""
    rows = shard.read(OCCURRENCES)
    rows = rows.filter(pc.is_null(rows["unreadable"]))
    positions = rows.group_by("sample_id").aggregate([("position", "min")])["position_min"]
    rows = rows.filter(pc.is_in(rows["position"], whole(positions)))
    return rows.take(pc.sort_indices(rows["position"]))
