"""Hash groups: samples that look alike by their perceptual hash, before any model has seen them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import HASH_GROUPS, QUALITY
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.neighbors.hash_neighbors import hash_groups
from windrow.tasks.ingest.hashes_config import HashesConfig
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Done, OutputWriter, fingerprint, make_output, open_output

STAGE = Stage.HASH_GROUPS
VERSION = 1


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
    hashed = quality.filter(pc.is_valid(quality["phash"]))
    sample_ids = whole(hashed["sample_id"])
    order = pc.sort_indices(sample_ids)
    sample_ids = sample_ids.take(order)
    new = np.ones(len(sample_ids), np.bool_)
    if len(sample_ids) > 1:
        new[1:] = pc.not_equal(sample_ids[1:], sample_ids[:-1]).to_numpy(zero_copy_only=False)
    rows = pa.array(np.asarray(order)[new])
    return pa.table({"sample_id": sample_ids.filter(pa.array(new)), "phash": whole(hashed["phash"]).take(rows)})


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
