"""The pipeline without Prefect and without workers: the stages' plain functions, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from windrow.schemas import SAMPLES
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.config import CurationConfig
from windrow.tasks.export.outcomes import account
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.selected_rows import selected_rows
from windrow.tasks.export.shard_writing import gone_samples, plan_export, write_export_shard
from windrow.tasks.features.extraction import FITTED, extract_shards, fit_backbone, identify_backbone
from windrow.tasks.features.model_scores import score_shards
from windrow.tasks.ingest.hash_groups import group_hashes
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.labels.belonging_scores import find_belonging, refuses
from windrow.tasks.labels.checks.label_checks import check_labels
from windrow.tasks.labels.given_labels import find_given
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.predictions import makers_of, predict_labels
from windrow.tasks.selection.pool_ranking import rank_pool
from windrow.tasks.storage.sources.source_kinds import plan_shards
from windrow.tasks.storage.store.outputs import Done, content_fingerprint, open_output
from windrow.tasks.storage.store.registry import register_samples
from windrow.tasks.storage.store.run_records import Run, StageRecord, start_run

PUBLISHED = ("ingest", "features", "cluster", "pseudo_label", "rank")


def label_plainly(config: CurationConfig, stages: Mapping[str, Sequence[str]]) -> list[Done]:
    """Find the given labels, let every maker spread them, judge them, decide."""
    store, labels, seed = Path(config.store), config.labels, config.seed
    given = find_given(store, stages["ingest"], labels.given)
    before = {**stages, "given_labels": [given.path]}
    labelled = open_output(store / given.path)
    makers = makers_of(labels, labelled)
    predicted = [predict_labels(store, before, maker, labels, config.features, seed) for maker in makers]
    around = (stages["features"], stages["neighbors"][0], given.path)
    checked = check_labels(store, *around, labels.checks, labels.n_folds, seed)
    belongs = [find_belonging(store, before)] if refuses(labels, labelled) else []
    found = {
        "cluster": stages["cluster"],
        "given_labels": [given.path],
        "predictions": [done.path for done in predicted],
        "belonging": [done.path for done in belongs],
    }
    return [given, *predicted, checked, *belongs, decide_labels(store, found, labels, seed)]


def curate_plainly(config: CurationConfig) -> Run:
    """Run every stage in this process; a version when something was selected, and no report."""
    store = Path(config.store)
    run = start_run(store, config.name, asdict(config))
    stages: dict[str, list[str]] = {}

    def record(stage: str, done: Sequence[Done], version: str | None = None) -> None:
        stages[stage] = [each.path for each in done]
        n_found = sum(each.found for each in done)
        run.record(StageRecord(stage, tuple(stages[stage]), n_found, 0, 0.0, {}, version))

    record("ingest", ingest_shards(store, plan_shards(config.sources), config.ingest))
    tables = [open_output(store / path).read(SAMPLES, ["sample_id"]) for path in stages["ingest"]]
    register_samples(store, pa.concat_tables(tables)["sample_id"].combine_chunks())
    record("hash_groups", [group_hashes(store, stages["ingest"], config.hashes)])
    if config.scores:
        scored = [done for each in config.scores for done in score_shards(store, stages["ingest"], each)]
        record("model_scores", scored)
    fitted = fit_backbone(store, stages["ingest"], config.features, config.seed)
    weights = store / fitted.path / FITTED if fitted else None
    backbone = identify_backbone(config.features, weights)
    record("features", extract_shards(store, stages["ingest"], config.features, weights, backbone))
    record("neighbors", [find_neighbors(store, stages["features"], config.neighbors)])
    record("cluster", [cluster_pool(store, stages["features"], config.clustering, config.seed)])
    record("pseudo_label", label_plainly(config, stages))
    record("rank", [rank_pool(store, dict(stages), config.selection, config.seed)])
    rows, classes = selected_rows(store, {k: stages[k] for k in stages if k != "neighbors"}, config.export.label_set)
    plan = plan_export(store, rows, config.export, classes)
    shards = [write_export_shard(store, shard, config.export) for shard in plan]
    version = None
    if any(done.counts["n_samples"] for done in shards):
        provenance = {
            stage: content_fingerprint([open_output(store / p) for p in stages[stage]]) for stage in PUBLISHED
        }
        published = publish_version(store, config.name, plan, shards, config.export, provenance)
        version = str(published.path.relative_to(store))
    record("export", shards, version)
    gone = {row["sample_id"]: row["reason"] for row in gone_samples(store, shards).to_pylist()}
    record("account", [account(store, {k: stages[k] for k in ("ingest", "features", "rank")}, gone)])
    return run.finish("finished")
