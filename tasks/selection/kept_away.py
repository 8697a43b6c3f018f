"""What a curated set must not hold: the samples of the pool that are near-duplicates of others, a test set's say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LEAKS, OCCURRENCES, QUALITY, SAMPLES
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.neighbors.leaking_pairs import FAR, Fingerprints, Leaks, find_leaks
from windrow.tasks.selection.selection_config import KEEP_AWAY
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)
from windrow.tasks.storage.store.pool import read_pool

VERSION = 1


def leaks_of_pool(store: Path, made: Made, threshold: float, max_distance: int) -> Done:
    """Write LEAKS: the samples of the pool that are near-duplicates of what is kept away, in the order of `sample_id`.

    Every one is found (the cover guarantee of `find_leaks`). The counts are n_leaks and n_kept_away, the samples of
    the sets to keep away from.
    """
    pool = made.opened(store, Stage.INGEST, Stage.FEATURES)
    away = [open_output(store / path) for path in made.beside[KEEP_AWAY]]
    away_features = [open_output(store / path) for path in made.beside_features[KEEP_AWAY]]

    def write(writer: OutputWriter) -> None:
        left = fingerprints_of(pool[Stage.INGEST], pool[Stage.FEATURES])
        right = fingerprints_of(away, away_features)
        table = _rows(find_leaks(left, right, threshold, max_distance), left, right, first_places(away))
        writer.write(LEAKS, table)
        writer.counts.update(n_leaks=table.num_rows, n_kept_away=len(right))

    inputs = {
        **{f"pool_{stage}": content_fingerprint(outputs) for stage, outputs in pool.items()},
        "away": content_fingerprint(away),
        "away_features": content_fingerprint(away_features),
        "threshold": threshold,
        "max_distance": max_distance,
    }
    return make_output(store, Part.LEAKS, VERSION, inputs, write)


def leaking_ids(store: Path, made: Made) -> frozenset[str]:
    """Return the samples that must not be exported."""
    tables = [open_output(store / path).read(LEAKS, ["sample_id"]) for path in made.leaks]
    return frozenset(name for table in tables for name in table["sample_id"].to_pylist())


def fingerprints_of(ingested: Sequence[Output], features: Sequence[Output]) -> Fingerprints:
    """Return what the readable samples of some outputs are compared by, in the order of `sample_id`."""
    samples = read_table(SAMPLES, [output.table_path(SAMPLES) for output in ingested], ["sample_id"])
    ids = pc.unique(whole(samples["sample_id"])).sort()
    quality = pa.concat_tables([output.read(QUALITY, ["sample_id", "phash"]) for output in ingested])
    quality = quality.filter(pc.is_valid(quality["phash"]))
    hash_at = pc.index_in(ids, whole(quality["sample_id"]))
    pool = read_pool(features)
    vector_at = pc.index_in(ids, pool.sample_ids)
    return Fingerprints(
        np.asarray(ids).astype(str),
        pc.fill_null(whole(quality["phash"]).take(hash_at), 0).to_numpy(zero_copy_only=False),
        pc.is_valid(hash_at).to_numpy(zero_copy_only=False),
        pool.embeddings[pc.fill_null(vector_at, 0).to_numpy(zero_copy_only=False)]
        if len(pool.sample_ids)
        else np.zeros((len(ids), pool.embeddings.shape[1]), np.float16),
        pc.is_valid(vector_at).to_numpy(zero_copy_only=False),
    )


def first_places(ingested: Sequence[Output]) -> dict[str, dict[str, Any]]:
    """Return source_uri, shard and key of each readable sample, where it was seen first."""
    columns = ["sample_id", "source_uri", "shard", "position", "key", "unreadable"]
    seen = pa.concat_tables([output.read(OCCURRENCES, columns) for output in ingested])
    seen = seen.filter(pc.is_null(seen["unreadable"]))
    rows = wide(seen).sort_by([(name, "descending") for name in ("source_uri", "shard", "position")]).to_pylist()
    return {row["sample_id"]: {name: row[name] for name in ("source_uri", "shard", "key")} for row in rows}


def evidence(leaks: Leaks, at: int) -> dict[str, Any]:
    """Return what shows that a pair is one: `evidence`, `similarity` and `distance`."""
    similarity, distance = float(leaks.similarity[at]), int(leaks.distance[at])
    found = None if np.isnan(similarity) else similarity
    how = "bytes" if leaks.same_bytes[at] else "hash" if found is None else "embedding"
    return {"evidence": how, "similarity": found, "distance": None if distance == FAR else distance}


def _rows(leaks: Leaks, left: Fingerprints, right: Fingerprints, places: Mapping[str, dict[str, Any]]) -> pa.Table:
    n_leaks = np.bincount(leaks.left, minlength=len(left))
    rows = []
    for at in leaks.closest():
        leak_of = str(right.ids[leaks.right[at]])
        row = {"sample_id": str(left.ids[leaks.left[at]]), "leak_of": leak_of, **evidence(leaks, int(at))}
        rows.append({**row, "n_leaks": int(n_leaks[leaks.left[at]]), **places[leak_of]})
    return LEAKS.build({column.name: [row[column.name] for row in rows] for column in LEAKS.columns})
