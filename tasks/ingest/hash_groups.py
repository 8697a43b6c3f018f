"""Hash groups: samples that look alike by their perceptual hash, before any model has seen them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from annotated_types import Ge, Le

from windrow.schemas import HASH_GROUPS, QUALITY
from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.neighbors.hash_neighbors import MAX_DISTANCE, hash_groups
from windrow.tasks.storage.store.outputs import Done, OutputWriter, fingerprint, make_output, open_output

STAGE = "hash_groups"
VERSION = 1


@dataclass(frozen=True)
class HashesConfig(Settings):
    """`max_distance`: bits, of 64, in which the perceptual hashes of two samples may differ for them to be near.

    6 finds most copies (a new size, a new compression) and hardly anything else; 10 finds small crops too, and pictures
    of a few plain shapes begin to be near each other.
    """

    max_distance: Annotated[int, Ge(0), Le(MAX_DISTANCE)] = 6


def group_hashes(store: Path, ingested: Sequence[str], config: HashesConfig) -> Done:
    """Write HASH_GROUPS of the pool, in the order of `sample_id`; a sample whose hash is near no other has no row.

    The counts are n_hashed (samples with a hash), n_in_hash_groups and n_hash_groups.
    """
    outputs = [open_output(store / path) for path in ingested]

    def write(writer: OutputWriter) -> None:
        parts = [output.read(QUALITY, ["sample_id", "phash"]) for output in outputs]
        hashed = _distinct(pa.concat_tables([QUALITY.schema().empty_table().select(["sample_id", "phash"]), *parts]))
        groups = _groups(hashed, config.max_distance)
        writer.write(HASH_GROUPS, groups)
        writer.counts["n_hashed"] = hashed.num_rows
        writer.counts["n_in_hash_groups"] = groups.num_rows
        writer.counts["n_hash_groups"] = pc.count_distinct(groups["group_id"]).as_py()

    hashes = sorted({output.files[f"{QUALITY.name}.parquet"] for output in outputs})
    return make_output(store, STAGE, VERSION, {"quality": fingerprint(hashes), "config": config}, write)


def _distinct(quality: pa.Table) -> pa.Table:
    """Samples that have a hash, each once, by `sample_id`."""
    hashed = quality.filter(pc.is_valid(quality["phash"])).sort_by("sample_id").combine_chunks()
    sample_ids = hashed["sample_id"]
    if len(sample_ids) < 2:
        return hashed
    new = pc.not_equal(sample_ids[1:], sample_ids[:-1])
    return hashed.filter(pa.concat_arrays([pa.array([True]), *new.chunks]))


def _groups(hashed: pa.Table, max_distance: int) -> pa.Table:
    """`hashed` is sorted, so the lowest row of a group is its lowest `sample_id`."""
    group = hash_groups(hashed["phash"].to_numpy(), max_distance)
    n_in_group = np.bincount(group, minlength=len(group))[group]
    rows = np.flatnonzero(n_in_group > 1)
    columns = {
        "sample_id": hashed["sample_id"].take(pa.array(rows)),
        "group_id": hashed["sample_id"].take(pa.array(group[rows])),
        "n_in_group": n_in_group[rows],
    }
    return HASH_GROUPS.build(columns)
