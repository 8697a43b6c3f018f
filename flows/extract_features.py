"""Extract features: an embedding for every readable sample."""

from pathlib import Path

from prefect import flow

from windrow.flows.ingest import ingest
from windrow.flows.prefect_tasks import features
from windrow.flows.progress import collect
from windrow.flows.stage import THREADS, earlier, find_run, groups, recording
from windrow.tasks.config import CurationConfig
from windrow.tasks.features.extraction import FITTED


@flow(name="extract-features", flow_run_name="extract features {config.name}", task_runner=THREADS)
def extract_features(config: CurationConfig, run_id: str | None = None) -> str:
    """Embed the samples that the config's backbone has not embedded yet; returns the run's id."""
    run = find_run(config, run_id)
    store = Path(config.store)
    ingested = earlier(run, config, "ingest", ingest)
    with recording(run, "features") as log:
        fitted = features.fit_backbone(store, ingested, config.features, config.seed, config.executor)
        weights = store / fitted.path / FITTED if fitted else None
        backbone = features.identify_backbone(config.features, weights, config.executor)
        futures = [
            features.extract_group.with_options(task_run_name=f"embed {label}").submit(
                store, group, config.features, weights, backbone, config.executor
            )
            for label, group in groups(config, ingested)
        ]
        log.done = collect("features", futures, len(ingested))
        log.n_samples = sum(done.counts["n_samples"] for done in log.done)
    return run.run_id
