"""Pseudo-label: what the clusters and a few given labels say about the pool."""

from pathlib import Path

from prefect import flow

from windrow.flows.cluster import cluster
from windrow.flows.config import CurationConfig
from windrow.flows.progress import collect
from windrow.flows.stage import THREADS, earlier, find_run, recording
from windrow.tasks import pseudo_labeling

STAGES = ("ingest", "features", "neighbors", "cluster")


@flow(name="pseudo-label", flow_run_name="pseudo-label {config.name}", task_runner=THREADS)
def pseudo_label(config: CurationConfig, run_id: str | None = None) -> str:
    """Label every embedded sample, or abstain; returns the run's id."""
    run = find_run(config, run_id)
    store, labels = Path(config.store), config.labels
    stages = {stage: earlier(run, config, stage, cluster) for stage in STAGES}
    with recording(run, "pseudo_label") as log:
        given = pseudo_labeling.given_labels(store, stages.pop("ingest"), labels.given)
        stages["given_labels"] = [given.path]
        makers = labels.makers if given.counts["n_classes"] > 1 else ()
        futures = [
            pseudo_labeling.predict_labels.submit(store, stages, maker, labels, config.seed, config.executor)
            for maker in makers
        ]
        checking = pseudo_labeling.check_labels.submit(store, stages, labels, config.seed, config.executor)
        *predicted, checked = collect("pseudo-label", [*futures, checking], len(makers) + 1)
        stages["predictions"] = [done.path for done in predicted]
        stages.pop("neighbors")
        decided = pseudo_labeling.decide_labels(store, stages, labels)
        log.done = [given, *predicted, decided, checked]
        log.n_samples = run.stage("cluster").n_samples  # type: ignore[union-attr]
    return run.run_id
