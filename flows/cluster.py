"""Cluster: the k-NN graph of the pool, and its hierarchy of clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow

from windrow.flows.extract_features import extract_features
from windrow.flows.prefect_tasks import clustering
from windrow.flows.progress import stage_progress
from windrow.flows.stage import earlier, find_run, recording
from windrow.tasks.config import CurationConfig
from windrow.tasks.storage.store.outputs import fingerprint, open_output
from windrow.tasks.storage.store.run_records import latest_run

ANY = ("refit", "memory_gb", "device")  # settings of clustering that may differ from the last run's


@flow(name="cluster", flow_run_name="cluster {config.name}")
def cluster(config: CurationConfig, run_id: str | None = None) -> str:
    """Find the neighbours and the clusters of every embedded sample; returns the run's id."""
    run = find_run(config, run_id)
    store = Path(config.store)
    embedded = earlier(run, config, "features", extract_features)
    with recording(run, "neighbors") as log, stage_progress("neighbors", 1):
        log.done = [clustering.neighbors(store, embedded, config.neighbors)]
        log.n_samples = log.done[0].counts["n_samples"]
    with recording(run, "cluster") as log, stage_progress("cluster", 1) as progress:
        before = clusters_before(store, config, embedded)
        log.done = [clustering.cluster(store, embedded, config.clustering, config.seed, progress.note, before)]
        log.n_samples = log.done[0].counts["n_samples"]
    return run.run_id


def clusters_before(store: Path, config: CurationConfig, embedded: Sequence[str]) -> str | None:
    """The clusters of the last finished run of this curated set, if they are of the same backbone and settings.

    A backbone of the same settings is another where it was fitted again, as it is after a take-down.
    """
    run = latest_run(store, config.name)
    record = run.stage("cluster") if run else None
    if run is None or record is None or _comparable(run.config) != _comparable(asdict(config)):
        return None
    here, there = embedded[:1], run.stage("features").outputs[:1]  # type: ignore[union-attr]
    return record.outputs[0] if _backbones(store, here) == _backbones(store, there) else None


def _backbones(store: Path, embedded: Sequence[str]) -> set[str]:
    return {open_output(store / path).inputs["backbone_id"] for path in embedded}


def _comparable(config: Mapping[str, Any]) -> str:
    """What two runs must share so that a sample of one has a place among the clusters of the other."""
    clustering = {name: value for name, value in config["clustering"].items() if name not in ANY}
    return fingerprint(config["features"], clustering)
