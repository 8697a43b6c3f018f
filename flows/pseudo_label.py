"""Pseudo-label: what the clusters and a few given labels say about the pool."""

from pathlib import Path

from prefect import flow

from windrow.flows.cluster import cluster
from windrow.flows.config import CurationConfig
from windrow.flows.progress import stage_progress
from windrow.flows.stage import earlier, find_run, recording
from windrow.tasks import pseudo_labeling

STAGES = ("ingest", "features", "neighbors", "cluster")


@flow(name="pseudo-label", flow_run_name="pseudo-label {config.name}")
def pseudo_label(config: CurationConfig, run_id: str | None = None) -> str:
    """Label every embedded sample, or abstain; returns the run's id."""
    run = find_run(config, run_id)
    stages = {stage: earlier(run, config, stage, cluster) for stage in STAGES}
    with recording(run, "pseudo_label") as log, stage_progress("pseudo-label", 1):
        log.done = [pseudo_labeling.pseudo_label(Path(config.store), stages, config.labels, config.seed)]
        log.n_samples = run.stage("cluster").n_samples  # type: ignore[union-attr]
    return run.run_id
