"""The selected samples become a version, and every occurrence gets its outcome."""

from __future__ import annotations

from windrow.schemas.stages import Stage
from windrow.tasks.curation_under_way import Curation
from windrow.tasks.export.answers_file import read_answers
from windrow.tasks.export.export_config import StatesExport
from windrow.tasks.export.export_plan import read_classes, without_soft
from windrow.tasks.export.exported_states import states_told
from windrow.tasks.export.outcomes import account
from windrow.tasks.export.planned_shards import planned_shards
from windrow.tasks.export.pool_table import tabulate_pool
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.selected_rows import stages_of
from windrow.tasks.export.shard_writing import gone_samples, write_export_shard
from windrow.tasks.export.soft_arrays import label_sets_told
from windrow.tasks.fetching.credentials import without_secrets
from windrow.tasks.ingest.stale_shards import changed_while_embedding, mark_changed
from windrow.tasks.report.drawn import report_of
from windrow.tasks.runner import IO_TAG, Call, Work
from windrow.tasks.selection.kept_away import leaking_ids
from windrow.tasks.storage.published.class_labels import check_numbers
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.made import digests
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.run_rest import drop_rests

PLAN_EXPORT = Work("plan-export", planned_shards)
WRITE_SHARD = Work("write-shard", write_export_shard, tries_again=True, tag=IO_TAG)
PUBLISH = Work("publish", publish_version, tries_again=True)
ACCOUNT = Work("account", account)
TABULATE_POOL = Work("tabulate-pool", tabulate_pool)
REPORT = Work("report", report_of)


def export(curation: Curation) -> None:
    """Write the selected samples as a new version, or find the one that holds them; a version never changes.

    Where nothing is selected, or the guard keeps it back, there is no version, and the run goes on to say what became
    of everything.
    """
    config, store, made = curation.config.export, curation.store, curation.made
    if has_states := curation.config.labels.kind == "multi":
        config = StatesExport.of(config)
    with curation.stage(Stage.EXPORT) as log:
        if curation.kept_back is not None:
            log.kept_back = curation.kept_back
            curation.runner.say(f"{curation.config.name}: not published: {curation.kept_back}")
            return
        shards = curation.here(PLAN_EXPORT, store, made, config)
        answers, classes = read_answers(config.card), read_classes(store, shards[0].plan) if shards else []
        check_numbers(classes, config.class_names)
        if shards and not classes:
            curation.runner.say(
                f"no label is exported: this run has none of the label set {config.label_set!r} (export.label_set)"
            )
        if missing := without_soft(store, shards, config):
            curation.runner.say(
                f"export.soft_labels: no maker made {', '.join(missing)} of classes: without soft labels"
            )
        calls = [Call(WRITE_SHARD, f"write {shard.split} {shard.number}", (store, shard, config)) for shard in shards]
        n_samples = sum(shard.n_rows for shard in shards)
        log.done = curation.in_workers("export", len(shards), calls, n_samples=n_samples)
        log.n_samples = sum(done.counts["n_samples"] for done in log.done)
        if not log.n_samples:
            curation.runner.say(f"{curation.config.name}: nothing was selected, or all of it is gone: no version")
            return
        selection = curation.config.selection
        ranked_by = "parts" if selection.parts else selection.policy
        provenance = {**digests(made.opened(store, *stages_of(config))), "ranked_by": ranked_by}
        barred = leaking_ids(store, made)
        told = states_told(store, made, config.label_set) if has_states else label_sets_told(store, made, config)
        version: Version = curation.here(
            PUBLISH, store, curation.config.name, shards, log.done, config, provenance, barred, answers, told
        )
        log.version = version.path
        curation.runner.say(f"{version.name} {version.version}: {'new' if version.created else 'unchanged'}")


def conclude(curation: Curation) -> None:
    """Give every occurrence its outcome and every sample its row, make the run the one that readers see, and report.

    A report that fails takes nothing back, as its data are published: the run is finished, with a warning.
    """
    run, runner = curation.run, curation.runner
    with curation.stage(Stage.ACCOUNT) as log:
        exported = run.stage(Stage.EXPORT)
        written = [Done(path, True, {}) for path in exported.outputs] if exported else []
        gone = {row["sample_id"]: row["reason"] for row in gone_samples(run.store, written).to_pylist()}
        embedded = [open_output(run.store / path) for path in curation.made.features]
        for place in mark_changed(run.store, curation.made.ingest, {**changed_while_embedding(embedded), **gone}):
            runner.say(f"changed while the run was on its way, and read again in the next run: {place}")
        log.done = [
            curation.here(ACCOUNT, run.store, curation.made, gone, curation.kept_back, curation.config.export.what)
        ]
        log.n_samples = log.done[0].counts["n_occurrences"]
    with curation.stage(Stage.POOL) as log:
        log.done = [curation.here(TABULATE_POOL, run)]
        log.n_samples = log.done[0].counts["n_samples"]
    curation.run = run.finish("finished")
    drop_rests(run.store, run.name)
    try:
        runner.show_summary(curation.run, curation.here(REPORT, curation.run))
    except Exception as error:
        curation.run = curation.run.warn(without_secrets(f"the report failed: {type(error).__name__}: {error}"))
        runner.say(f"{curation.run.warning}. The run is finished; `windrow report` draws it again")
