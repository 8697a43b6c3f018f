"""Pseudo-label: what the clusters and a few given labels say about the pool."""

from pathlib import Path

from prefect import flow

from windrow.flows.cluster import cluster
from windrow.flows.prefect_tasks import pseudo_labeling
from windrow.flows.progress import collect
from windrow.flows.stage import THREADS, earlier, find_run, recording
from windrow.tasks.config import CurationConfig
from windrow.tasks.labels.belonging_scores import refuses
from windrow.tasks.labels.predictions import makers_of
from windrow.tasks.storage.store.outputs import open_output

STAGES = ("ingest", "features", "neighbors", "cluster")


@flow(name="pseudo-label", flow_run_name="pseudo-label {config.name}", task_runner=THREADS)
def pseudo_label(config: CurationConfig, run_id: str | None = None) -> str:
    """Label every embedded sample, or abstain; returns the run's id."""
    run = find_run(config, run_id)
    store, labels = Path(config.store), config.labels
    stages = {stage: earlier(run, config, stage, cluster) for stage in STAGES}
    with recording(run, "pseudo_label") as log:
        given = pseudo_labeling.given_labels(store, stages["ingest"], labels.given)
        stages["given_labels"] = [given.path]
        labelled = open_output(store / given.path)
        makers = makers_of(labels, labelled)
        futures = [
            pseudo_labeling.predict_labels.submit(
                store, stages, maker, labels, config.features, config.seed, config.executor
            )
            for maker in makers
        ]
        futures.append(pseudo_labeling.check_labels.submit(store, stages, labels, config.seed, config.executor))
        if refuses(labels, labelled):
            futures.append(pseudo_labeling.find_belonging.submit(store, stages, config.executor))
        made = collect("pseudo-label", futures, len(futures))
        predicted, others = made[: len(makers)], made[len(makers) :]
        found = {
            "cluster": stages["cluster"],
            "given_labels": stages["given_labels"],
            "predictions": [done.path for done in predicted],
            "belonging": [done.path for done in others[1:]],
        }
        log.done = [given, pseudo_labeling.decide_labels(store, found, labels, config.seed), *made]
        log.n_samples = run.stage("cluster").n_samples  # type: ignore[union-attr]
    return run.run_id
