"""Clusters that go on from one night to the next: new samples placed in them, and measured for drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ASSIGNMENTS, CLUSTERS, DRIFT
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import row_blocks
from windrow.tasks.algorithms.clustering.drift import Drift, measure_drift
from windrow.tasks.algorithms.clustering.frozen_tree import FrozenTree, Seen, freeze, place, share_unchanged
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy
from windrow.tasks.algorithms.clustering.level_settings import grown_levels, half_mean_sizes
from windrow.tasks.algorithms.clustering.points import Resources, Taken, block_rows
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.storage.files.parquet import vectors_to_array
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import MANIFEST, Output, fingerprint, open_output
from windrow.tasks.storage.store.pool_file import PoolFile
from windrow.tasks.storage.store.run_records import latest_run

MAY_DIFFER = ("refit", "memory_gb", "device")  # settings of clustering that may differ from the last run's


def go_on(
    store: Path,
    earlier: Output,
    pool: PoolFile,
    fit: Callable[..., Hierarchy],
    config: ClusteringConfig,
    resources: Resources,
) -> tuple[Hierarchy, list[dict[str, Any]]]:
    """The clusters of an earlier run for tonight's pool, kept or fitted again, and the row of DRIFT."""
    frozen = read_tree(store, earlier)
    seen = _seen(earlier, pool)
    placed = place(pool.vectors, frozen, resources, seen)
    is_new = np.ones(len(pool.vectors), bool)
    is_new[seen.rows] = False
    new = np.flatnonzero(is_new)
    drift = measure_drift(Taken(pool.vectors, new), placed.paths[new, 0], placed.distance[new], frozen)
    refits = config.refit == "drift" and drift.refit
    hierarchy = _refitted(frozen, len(pool.vectors), fit, config) if refits else placed
    return hierarchy, [_row(drift, refits, share_unchanged(seen.cluster, hierarchy.paths[seen.rows, 0]))]


def _refitted(frozen: FrozenTree, n: int, fit: Callable[..., Hierarchy], config: ClusteringConfig) -> Hierarchy:
    n_clusters = [len(centroids) for centroids in frozen.centroids]
    n_before = int(frozen.n_samples.sum())
    grown = config.n_clusters if len(config.n_clusters) == len(n_clusters) else grown_levels(n_clusters, n / n_before)
    return fit(grown, config.n_resamples or half_mean_sizes(n, grown), start=frozen.centroids)


def read_tree(store: Path, output: Output) -> FrozenTree:
    """The tree of a clustering, with the figures of the samples that it was made of, however long it has been kept."""
    made_by = output
    while _kept_from(made_by):
        made_by = open_output(store / _kept_from(made_by))
    clusters = made_by.read(CLUSTERS, ["level", "cluster_id", "parent_id", "centroid"])
    levels = range(1, pc.max(clusters["level"]).as_py() + 1)
    tables = [clusters.filter(pc.equal(clusters["level"], level)).sort_by("cluster_id") for level in levels]
    centroids = tuple(vectors_to_array(table["centroid"]).astype(np.float32) for table in tables)
    parents = tuple(table["parent_id"].to_numpy().astype(np.int32) for table in tables[:-1])
    assignments = made_by.read(ASSIGNMENTS, ["cluster_path", "distance"])
    return freeze(centroids, parents, _finest(assignments["cluster_path"]), assignments["distance"].to_numpy())


def has_tree(store: Path, path: str) -> bool:
    """Say whether an earlier clustering is there, and the one whose clusters it kept: a take-down removes them."""
    while path:
        if not (store / path / MANIFEST).exists():
            return False
        path = _kept_from(open_output(store / path))
    return True


def _kept_from(output: Output) -> str:
    """The output whose clusters this one kept, or nothing when it made its own."""
    rows = output.read(DRIFT).to_pylist()
    return str(output.inputs["earlier"]) if rows and not rows[0]["refitted"] else ""


def _seen(earlier: Output, pool: PoolFile) -> Seen:
    """What an earlier run said of samples of tonight's pool; both are in the order of `sample_id`.

    A sample is its bytes, and the backbone is the same (`clusters_before`), so its embedding is, too.
    """
    table = earlier.read(ASSIGNMENTS, ["sample_id", "cluster_path", "distance"])
    ids, cluster, distance = whole(table["sample_id"]), _finest(table["cluster_path"]), table["distance"].to_numpy()
    rows, before = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for block in row_blocks(len(pool.vectors), block_rows(1)):
        place_before = np.asarray(pc.fill_null(pc.index_in(whole(pool.sample_ids(block)), ids), -1), np.int64)
        known = np.flatnonzero(place_before >= 0)
        rows.append(known + block.start)
        before.append(place_before[known])
    there = np.concatenate(before)
    return Seen(np.concatenate(rows), cluster[there], distance[there])


def _finest(paths: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    finest: npt.NDArray[np.int32] = pc.list_element(paths, 0).to_numpy().astype(np.int32)
    return finest


def _row(drift: Drift, refitted: bool, unchanged: float) -> dict[str, Any]:
    return {
        "refitted": refitted,
        "reasons": "; ".join(drift.reasons),
        "n_new": drift.n_new,
        "mean_distance": drift.mean_distance,
        "expected_distance": drift.expected_distance,
        "share_far": drift.share_far,
        "n_new_regions": drift.n_new_regions,
        "share_unchanged": None if np.isnan(unchanged) else unchanged,
    }


def clusters_before(store: Path, name: str, config: Mapping[str, Any], embedded: Sequence[str]) -> str | None:
    """The clusters of the last finished run of the curated set `name`, if they are of the same backbone and settings.

    `config` is the whole config as plain values, `embedded` the outputs of features. A backbone of the same settings is
    another where it was fitted again, as it is after a take-down.
    """
    run = latest_run(store, name)
    features, clusters = (run.stage(stage) for stage in (Stage.FEATURES, Stage.CLUSTER)) if run else (None, None)
    if run is None or features is None or clusters is None or _comparable(run.config) != _comparable(config):
        return None
    return clusters.outputs[0] if _backbones(store, embedded[:1]) == _backbones(store, features.outputs[:1]) else None


def _backbones(store: Path, embedded: Sequence[str]) -> set[str]:
    return {open_output(store / path).inputs["backbone_id"] for path in embedded}


def _comparable(config: Mapping[str, Any]) -> str:
    """What two runs must share so that a sample of one has a place among the clusters of the other."""
    clustering = {name: value for name, value in config["clustering"].items() if name not in MAY_DIFFER}
    return fingerprint(config["features"], clustering)
