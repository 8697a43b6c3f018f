"""Score: what models of the user's own say of every readable sample. Without `scores` in the config there are none."""

from pathlib import Path

from prefect import flow

from windrow.flows.ingest import ingest
from windrow.flows.prefect_tasks.scoring import score_group
from windrow.flows.progress import collect
from windrow.flows.stage import THREADS, earlier, find_run, groups, recording
from windrow.tasks.config import CurationConfig


@flow(name="score", flow_run_name="score {config.name}", task_runner=THREADS)
def score(config: CurationConfig, run_id: str | None = None) -> str:
    """Score the samples that the config's models have not scored yet; returns the run's id."""
    run = find_run(config, run_id)
    store = Path(config.store)
    ingested = earlier(run, config, "ingest", ingest)
    with recording(run, "model_scores") as log:
        futures = [
            score_group.with_options(task_run_name=f"{scorer.name} {label}").submit(
                store, group, scorer, config.executor
            )
            for scorer in config.scores
            for label, group in groups(config, ingested)
        ]
        log.done = collect("model scores", futures, len(ingested) * len(config.scores))
        log.n_samples = sum(done.counts["n_samples"] for done in log.done)
    return run.run_id
