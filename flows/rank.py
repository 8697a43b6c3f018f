"""Rank: filters, near-duplicates, and the ranking whose every prefix is a balanced set."""

from pathlib import Path

from prefect import flow

from windrow.flows.ingest import ingest
from windrow.flows.prefect_tasks import ranking
from windrow.flows.progress import stage_progress
from windrow.flows.pseudo_label import STAGES, pseudo_label
from windrow.flows.score import score
from windrow.flows.stage import earlier, find_run, recording
from windrow.tasks.config import CurationConfig


@flow(name="rank", flow_run_name="rank {config.name}")
def rank(config: CurationConfig, run_id: str | None = None) -> str:
    """Decide which samples are selected, and why the others are not; returns the run's id."""
    run = find_run(config, run_id)
    labelled = earlier(run, config, "pseudo_label", pseudo_label)
    stages = {stage: earlier(run, config, stage, pseudo_label) for stage in STAGES} | {"pseudo_label": labelled}
    stages["hash_groups"] = earlier(run, config, "hash_groups", ingest)
    if config.scores:
        stages["model_scores"] = earlier(run, config, "model_scores", score)
    with recording(run, "rank") as log, stage_progress("rank", 1):
        log.done = [ranking.rank(Path(config.store), stages, config.selection, config.seed)]
        log.n_samples = log.done[0].counts["n_samples"]
    return run.run_id
