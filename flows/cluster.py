"""Cluster: the k-NN graph of the pool, and its hierarchy of clusters."""

from pathlib import Path

from prefect import flow

from windrow.flows.config import CurationConfig
from windrow.flows.extract_features import extract_features
from windrow.flows.progress import stage_progress
from windrow.flows.stage import earlier, find_run, recording
from windrow.tasks import clustering


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
        log.done = [clustering.cluster(store, embedded, config.clustering, config.seed, progress.note)]
        log.n_samples = log.done[0].counts["n_samples"]
    return run.run_id
