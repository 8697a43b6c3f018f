"""The pipeline, wired once: which stages make a curated set, in what order, and what each is given.

`curate` runs it in the hands of a runner (`windrow.tasks.runner`). Every stage is a plain function of its inputs and
its config that finds its work done where it is, so the same call goes on after an interruption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from windrow.schemas.stages import Stage
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.incremental import clusters_before
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.config import CurationConfig
from windrow.tasks.curation_under_way import Curation, paths_of
from windrow.tasks.export.export_plan import read_classes
from windrow.tasks.export.outcomes import account
from windrow.tasks.export.planned_shards import SELECTED, planned_shards
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.shard_writing import gone_samples, write_export_shard
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.extraction import FITTED, extract_shards, fit_backbone, identify_backbone
from windrow.tasks.features.model_scores import identify_scorer, score_shards
from windrow.tasks.fetching.credentials import name_sources, without_secrets, written
from windrow.tasks.ingest.hash_groups import group_hashes
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.ingest.kept_copies import keep_copies
from windrow.tasks.ingest.lost_samples import Loss, check_losses, losses
from windrow.tasks.ingest.stale_shards import changed_while_embedding, mark_changed
from windrow.tasks.ingest.usable_pool import check_pool
from windrow.tasks.labels.belonging_scores import find_belonging, refuses
from windrow.tasks.labels.checked_files import check_files, check_headers, named_files, told
from windrow.tasks.labels.checks.label_checks import check_labels
from windrow.tasks.labels.found_labels import read_found_labels
from windrow.tasks.labels.given_labels import find_given
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.predictions import makers_of, predict_labels
from windrow.tasks.recording import begin_run, ending
from windrow.tasks.report.drawn import report_of
from windrow.tasks.runner import Call, PlainRunner, Runner, Work
from windrow.tasks.selection.estimated_balance import estimate_balance
from windrow.tasks.selection.frozen_splits import freeze_splits
from windrow.tasks.selection.kept_away import leaking_ids, leaks_of_pool
from windrow.tasks.selection.pool_ranking import check_sql, rank_pool
from windrow.tasks.selection.proposed_threshold import threshold_of
from windrow.tasks.selection.reference_weights import weigh_by_reference
from windrow.tasks.selection.selection_config import KEEP_AWAY, REFERENCE
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.literal_paths import literal_path
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.sources.source_plan import check_sources, plan_shards
from windrow.tasks.storage.sources.source_settings import recorded_uris, uris_of
from windrow.tasks.storage.sources.source_shard import SourceShard
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.registry import register_shards
from windrow.tasks.storage.store.run_records import Run, last_ingested, latest_run
from windrow.tasks.storage.store.store_format import check_format
from windrow.tasks.worth.guard import kept_back
from windrow.tasks.worth.held_out import hold_out, without_held_out
from windrow.tasks.worth.pool_worth import measure_worth

FEATURES_TAG = "windrow-features"
"""`prefect concurrency-limit create windrow-features N` bounds how many groups are embedded at once: one a GPU."""
IO_TAG = "windrow-io"

INGEST_SHARDS = Work("ingest-shards", ingest_shards, tries_again=True, tag=IO_TAG)
GROUP_HASHES = Work("group-hashes", group_hashes)
SCORE_SAMPLES = Work("score-samples", score_shards, tries_again=True, tag=FEATURES_TAG)
CHOOSE_BACKBONE = Work("choose-backbone", choose_backbone, tries_again=True)
FIT_BACKBONE = Work("fit-backbone", fit_backbone, tries_again=True)
IDENTIFY_BACKBONE = Work("identify-backbone", identify_backbone)
IDENTIFY_SCORER = Work("identify-scorer", identify_scorer)
EXTRACT_FEATURES = Work("extract-features", extract_shards, tries_again=True, tag=FEATURES_TAG)
FIND_NEIGHBORS = Work("find-neighbors", find_neighbors)
CLUSTER = Work("cluster", cluster_pool)
GIVEN_LABELS = Work("given-labels", find_given)
CHECK_FILES = Work("check-files", check_files)
HOLD_OUT = Work("hold-out", hold_out)
WITHOUT_HELD_OUT = Work("without-held-out", without_held_out)
PREDICT_LABELS = Work("predict-labels", predict_labels)
CHECK_LABELS = Work("check-labels", check_labels)
FIND_BELONGING = Work("find-belonging", find_belonging)
DECIDE_LABELS = Work("decide-labels", decide_labels)
FIND_LEAKS = Work("find-leaks", leaks_of_pool)
WEIGH_BY_REFERENCE = Work("weigh-by-reference", weigh_by_reference)
RANK = Work("rank", rank_pool)
FREEZE_SPLITS = Work("freeze-splits", freeze_splits)
ESTIMATE_BALANCE = Work("estimate-balance", estimate_balance)
MEASURE_WORTH = Work("measure-worth", measure_worth)
PLAN_EXPORT = Work("plan-export", planned_shards)
WRITE_SHARD = Work("write-shard", write_export_shard, tries_again=True, tag=IO_TAG)
PUBLISH = Work("publish", publish_version, tries_again=True)
ACCOUNT = Work("account", account)
REPORT = Work("report", report_of)


@dataclass(frozen=True)
class Curated:
    """What a run came to: `version` is the last one of the curated set, and `is_new` whether this run published it.

    `kept_back` says why the guard let it publish nothing; None where it did not.
    """

    run: Run
    version: Version | None
    is_new: bool
    kept_back: str | None = None


def curate(
    config: CurationConfig, runner: Runner | None = None, until: str | None = None, attended: bool = True
) -> Curated:
    """Turn the sources into a version of a curated set, and account for every occurrence.

    `runner`: who carries the work; threads of this process by default. `until`: the last step to run, a name of STEPS.
    `attended`: where nobody is, PoolShrankError is raised when the pool lost more than `ingest.least_share_of_last`
    allows; otherwise that is said, and the run goes on.
    Raises ValueError for a config that cannot work, and what the stages raise; what they finished is found next time.

    >>> from windrow import curate, load_config
    >>> curated = curate(load_config("windrow.yaml"))  # a second time: all is found done
    >>> curated.version.version, curated.is_new
    ('v0001', False)
    """
    check_sql(config.selection, bool(config.scores))
    check_places(config)
    check_headers(config.labels, config.worth.evaluate, config.selection.id_lists())
    runner = runner or PlainRunner()
    check_format(Path(config.store))
    before = latest_version(Path(config.store), config.name)
    run = begin_run(config)
    with ending(run), at_work(run.store):
        curation = Curation(config, run, runner, Made(), attended=attended)
        if until != "ingest":
            _meet_models(curation)
        for name, step in _steps(config, until):
            runner.step(name, config, partial(step, curation))
    after = latest_version(run.store, config.name)
    is_new = after is not None and (before is None or before.version != after.version)
    return Curated(curation.run, after, is_new, curation.kept_back)


def curate_tonight(config: CurationConfig, runner: Runner | None = None) -> Curated:
    """Curate what the sources hold tonight, and announce how the night ended.

    Raises RuntimeError without a version, unless the guard kept the first one back.
    """
    runner = runner or PlainRunner()
    curated = curate(config, runner, attended=False)
    version = curated.version
    if curated.kept_back is not None:
        stays = version.version if version else None
        runner.say(f"{config.name} {stays} stays" if stays else f"{config.name} has no version yet")
        told = {"run_id": curated.run.run_id, "version": stays, "kept_back": curated.kept_back}
        runner.announce(config.name, told, False)
        return curated
    if version is None:
        raise RuntimeError(f"the run of {config.name} ended well but published nothing")
    n, path, run_id = version.n_samples, str(version.path), curated.run.run_id
    if curated.is_new:
        runner.say(f"published: {config.name} {version.version}, {n:,} samples")
    else:
        runner.say(f"nothing changed: {config.name} {version.version} stays")
    what = {"run_id": run_id, "version": version.version, "n_samples": n, "path": path}
    runner.announce(config.name, what, curated.is_new)
    return curated


def check_places(config: CurationConfig) -> None:
    """Raise ValueError when the store cannot lie where it is said to, or a source is one."""
    literal_path(config.store)
    check_sources(uris_of(config.sources), Path(config.store))
    for place, sources in config.selection.beside().items():
        check_sources(sources, Path(config.store), place, versions=True)


def _steps(config: CurationConfig, until: str | None) -> Iterator[tuple[str, Callable[[Curation], None]]]:
    for name, step in STEPS.items():
        if name != "score" or config.scores:
            yield name, step
        if name == until:
            return


def _meet_models(curation: Curation) -> None:
    """Load what the config names, unless the store knows it: what does not fit is told before anything is read."""
    config, store = curation.config, curation.store
    if not (config.features.is_open or config.features.is_fitted):
        curation.in_worker(IDENTIFY_BACKBONE, config.features, None, store)
    for scorer in config.scores:
        curation.in_worker(IDENTIFY_SCORER, store, scorer)


def ingest(curation: Curation) -> None:
    """Read what is new in the sources. Bytes stay where they are and as they are."""
    config, store = curation.config, curation.store
    last = last_ingested(store, config.name)
    with curation.stage(Stage.INGEST) as log:
        shards = plan_shards(config.sources, config.ingest, recorded_uris(last.config) if last else ())
        beside = _planned_beside(config)
        until = time.time() + config.ingest.fetch.run_seconds

        def read(what: str, shards: Sequence[SourceShard]) -> list[Done]:
            groups = curation.groups(shards)
            given = [(label, (store, group, config.ingest, until)) for label, group in groups]
            calls = [Call(INGEST_SHARDS, f"ingest {label}", values) for label, values in given]
            return _joined(curation.in_workers(what, len(shards), calls))

        kept = _kept(curation, shards, last) if last and config.ingest.mode == "copy" else []
        curation.keep(log, Stage.INGEST, [*read("ingest", shards), *kept], "n_occurrences")
        read_beside = {place: paths_of(read(f"ingest of {place}", shards)) for place, shards in beside.items()}
        curation.made = replace(curation.made, beside=read_beside)
        register_shards(store, curation.made.ingest)
        lost = _lost(curation)
        log.note = "; ".join(loss.sentence for loss in lost) or None
    _tell_found(curation)
    if not curation.attended:
        check_losses(lost, config.ingest.least_share_of_last, latest_version(store, config.name))
    with curation.stage(Stage.HASH_GROUPS) as log:
        done = [curation.here(GROUP_HASHES, store, curation.made.ingest, config.hashes)]
        curation.keep(log, Stage.HASH_GROUPS, done, "n_hashed")
    _meet_labels(curation)


def _meet_labels(curation: Curation) -> None:
    """Read the given labels and what else the user says of the pool: what does not fit is told before all else."""
    labels, evaluate = curation.config.labels, curation.config.worth.evaluate
    lists = curation.config.selection.id_lists()
    store, ingested = curation.store, curation.made.ingest
    given: Done = curation.here(GIVEN_LABELS, store, ingested, labels.given, labels.no_label)
    curation.met = (given,)
    if named_files(labels, evaluate, lists) or labels.prior.shares:
        files: Done = curation.here(CHECK_FILES, store, ingested, given.path, labels, evaluate, lists)
        curation.met = (given, files)
        for line in told(store, files):
            curation.runner.say(line)


def _tell_found(curation: Curation) -> None:
    """Say what came with the samples of each source."""
    outputs = curation.made.opened(curation.store, Stage.INGEST)
    for found in read_found_labels(connect(tables_of(outputs)), curation.config.labels.no_label):
        curation.runner.say(f"{found.source}: {found.told()}")


def _kept(curation: Curation, shards: Sequence[SourceShard], last: Run) -> list[Done]:
    """The store's copies of what is gone from its source since the last run."""
    kept = keep_copies(
        curation.store, name_sources(uris_of(curation.config.sources)), shards, last.outputs(Stage.INGEST)
    )
    n_kept = sum(done.counts["n_samples"] for done in kept)
    if n_kept:
        curation.runner.say(f"gone from their sources, kept as the copies that the store has: {n_kept:,} samples")
    return kept


def _lost(curation: Curation) -> list[Loss]:
    """What the pool lost since the last run that was finished."""
    last = latest_run(curation.store, curation.config.name)
    before = last.outputs(Stage.INGEST) if last else []
    now = [open_output(curation.store / path) for path in curation.made.ingest]
    return losses(name_sources(uris_of(curation.config.sources)), before, now)


def _planned_beside(config: CurationConfig) -> dict[str, list[SourceShard]]:
    """The shards of the sets beside the pool, by the setting that names them. Raises ValueError naming it."""
    planned = {}
    for place, sources in config.selection.beside().items():
        try:
            planned[place] = plan_shards(sources, config.ingest)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return planned


def score(curation: Curation) -> None:
    """Let models of the user's own score the samples that they have not scored yet."""
    store, ingested, scorers = curation.store, curation.made.ingest, curation.config.scores
    with curation.stage(Stage.MODEL_SCORES) as log:
        calls = [
            Call(SCORE_SAMPLES, f"{scorer.name} {label}", (store, group, scorer))
            for scorer in scorers
            for label, group in curation.groups(ingested)
        ]
        done = _joined(curation.in_workers("model scores", len(ingested) * len(scorers), calls))
        curation.keep(log, Stage.MODEL_SCORES, done, "n_samples")


def extract_features(curation: Curation) -> None:
    """Embed the samples that the config's backbone has not embedded yet."""
    config, store, ingested = curation.config, curation.store, curation.made.ingest
    check_pool([open_output(store / path) for path in ingested])
    with curation.stage(Stage.FEATURES) as log:
        chosen = curation.in_worker(CHOOSE_BACKBONE, store, ingested, config.features)
        features, log.choice = chosen_backbone(store, chosen, config.features)
        fitted = curation.in_worker(FIT_BACKBONE, store, ingested, features, config.seed)
        weights = store / fitted.path / FITTED if fitted else None
        backbone = curation.in_worker(IDENTIFY_BACKBONE, features, weights, store)

        def embed(what: str, paths: Sequence[str]) -> list[Done]:
            calls = [
                Call(EXTRACT_FEATURES, f"embed {label}", (store, group, features, weights, backbone))
                for label, group in curation.groups(paths)
            ]
            return _joined(curation.in_workers(what, len(paths), calls))

        curation.keep(log, Stage.FEATURES, embed("features", ingested), "n_samples")
        beside = {
            place: paths_of(embed(f"features of {place}", paths)) for place, paths in curation.made.beside.items()
        }
        curation.made = replace(curation.made, beside_features=beside)


def cluster(curation: Curation) -> None:
    """Find the neighbours and the clusters of every embedded sample."""
    config, store, embedded = curation.config, curation.store, curation.made.features
    with curation.stage(Stage.NEIGHBORS) as log, curation.progress("neighbors", 1):
        done = [curation.here(FIND_NEIGHBORS, store, embedded, config.neighbors)]
        curation.keep(log, Stage.NEIGHBORS, done, "n_samples")
    with curation.stage(Stage.CLUSTER) as log, curation.progress("cluster", 1) as progress:
        before = clusters_before(store, config.name, written(asdict(config)), embedded)
        args = (store, embedded, config.clustering, config.seed, progress.note, before)
        curation.keep(log, Stage.CLUSTER, [curation.here(CLUSTER, *args)], "n_samples")


def pseudo_label(curation: Curation) -> None:
    """Label every embedded sample, or abstain."""
    store, labels, seed = curation.store, curation.config.labels, curation.config.seed
    with curation.stage(Stage.PSEUDO_LABEL) as log:
        given, held = _given(curation)
        spread = _spread(curation, given)
        decided: Done = curation.here(DECIDE_LABELS, store, curation.made, labels, seed)
        log.done = [given, decided, *spread, held, *curation.met[1:]]
        log.n_samples = decided.counts["n_labelled"] + decided.counts["n_abstained"]
        curation.made = replace(curation.made, pseudo_label=paths_of(log.done))


def _given(curation: Curation) -> tuple[Done, Done]:
    """The given labels that makers may see, and what is held out to judge by."""
    config, store = curation.config, curation.store
    given = curation.met[0]
    curation.made = replace(curation.made, given_labels=(given.path,))
    held: Done = curation.here(HOLD_OUT, store, curation.made, config.worth, _threshold(curation), config.seed)
    if held.counts["n_held_out"]:
        given = curation.here(WITHOUT_HELD_OUT, store, given.path, held.path)
    curation.made = replace(curation.made, given_labels=(given.path,), held_out=(held.path,))
    return given, held


def _spread(curation: Curation, given: Done) -> list[Done]:
    """Let every maker spread the given labels, in workers side by side; judge them; see who belongs to no class."""
    store, made, seed = curation.store, curation.made, curation.config.seed
    labels, features = curation.config.labels, curation.config.features
    labelled = open_output(store / given.path)
    makers = makers_of(labels, labelled)
    calls = [Call(PREDICT_LABELS, maker, (store, made, maker, labels, features, seed)) for maker in makers]
    judging = (store, made, labels.checks, labels.n_folds, seed)
    calls.append(Call(CHECK_LABELS, CHECK_LABELS.words, judging))
    if refuses(labels, labelled):
        calls.append(Call(FIND_BELONGING, FIND_BELONGING.words, (store, made)))
    found: list[Done] = curation.in_workers("pseudo-label", len(calls), calls)
    predictions, belonging = found[: len(makers)], found[len(makers) + 1 :]
    curation.made = replace(
        made,
        predictions=paths_of(predictions),
        belonging=paths_of(belonging),
    )
    return found


def rank(curation: Curation) -> None:
    """Decide which samples are selected, and why the others are not; estimate what that makes of the classes."""
    config = curation.config
    with curation.stage(Stage.RANK) as log, curation.progress("rank", 1):
        beside = [*_leaks(curation), *_reference(curation)]
        ranked: Done = curation.here(RANK, curation.store, curation.made, config.selection, config.seed)
        ranked = curation.here(FREEZE_SPLITS, curation.store, ranked, config.name, config.selection.splits)
        log.done, log.n_samples = [ranked, *beside], ranked.counts["n_samples"]
        curation.made = replace(curation.made, rank=paths_of(log.done))
        judging = (curation.store, curation.made, config.labels.least_belonging, config.seed)
        log.done.append(curation.here(ESTIMATE_BALANCE, *judging))


def _leaks(curation: Curation) -> list[Done]:
    """Find what of the pool is a near-duplicate of what it is kept away from, where there is such a set."""
    if KEEP_AWAY not in curation.made.beside:
        return []
    max_distance = curation.config.hashes.max_distance
    done = [curation.here(FIND_LEAKS, curation.store, curation.made, _threshold(curation), max_distance)]
    curation.made = replace(curation.made, leaks=paths_of(done))
    return done


def _reference(curation: Curation) -> list[Done]:
    """Weigh the pool by the reference set, where there is one."""
    if REFERENCE not in curation.made.beside:
        return []
    done = [curation.here(WEIGH_BY_REFERENCE, curation.store, curation.made, curation.config.seed)]
    curation.made = replace(curation.made, reference_weights=paths_of(done))
    return done


def _threshold(curation: Curation) -> float:
    """The cosine similarity from which on two samples are near-duplicates."""
    neighbors = open_output(curation.store / curation.made.neighbors[0])
    return threshold_of(neighbors, curation.config.selection).threshold


def worth(curation: Curation) -> None:
    """Measure what the selection is worth, and let the guard look at it."""
    config, store = curation.config, curation.store
    with curation.stage(Stage.WORTH) as log, curation.progress("worth", 1) as progress:
        args = (store, curation.made, config.name, config.export.label_set, config.worth, config.seed, progress.note)
        done: Done = curation.here(MEASURE_WORTH, *args)
        log.done = [done]
        curation.made = replace(curation.made, worth=(done.path,))
        curation.kept_back = kept_back(store, done.path, config.selection.guard)


def export(curation: Curation) -> None:
    """Write the selected samples as a new version, or find the one that holds them; a version never changes.

    Where nothing is selected, or the guard keeps it back, there is no version, and the run goes on to say what became
    of everything.
    """
    config, store, made = curation.config.export, curation.store, curation.made
    with curation.stage(Stage.EXPORT) as log:
        if curation.kept_back is not None:
            log.kept_back = curation.kept_back
            curation.runner.say(f"{curation.config.name}: not published: {curation.kept_back}")
            return
        shards = curation.here(PLAN_EXPORT, store, made, config)
        if shards and not read_classes(store, shards[0].plan):
            curation.runner.say(f"export.label_set: this run has no label of {config.label_set!r}: none is exported")
        calls = [Call(WRITE_SHARD, f"write {shard.split} {shard.number}", (store, shard, config)) for shard in shards]
        log.done = curation.in_workers("export", len(shards), calls)
        log.n_samples = sum(done.counts["n_samples"] for done in log.done)
        if not log.n_samples:
            curation.runner.say(f"{curation.config.name}: nothing was selected, or all of it is gone: no version")
            return
        provenance = digests(made.opened(store, *SELECTED))
        barred = leaking_ids(store, made)
        version: Version = curation.here(
            PUBLISH, store, curation.config.name, shards, log.done, config, provenance, barred
        )
        log.version = version.path
        curation.runner.say(f"{version.name} {version.version}: {'new' if version.created else 'unchanged'}")


def conclude(curation: Curation) -> None:
    """Give every occurrence its outcome, make the run the one that readers see, and draw its report.

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
        log.done = [curation.here(ACCOUNT, run.store, curation.made, gone, curation.kept_back)]
        log.n_samples = log.done[0].counts["n_occurrences"]
    curation.run = run.finish("finished")
    try:
        runner.show_summary(curation.run, curation.here(REPORT, curation.run))
    except Exception as error:
        curation.run = curation.run.warn(without_secrets(f"the report failed: {type(error).__name__}: {error}"))
        runner.say(f"{curation.run.warning}. The run is finished; `windrow report` draws it again")


STEPS: dict[str, Callable[[Curation], None]] = {
    "ingest": ingest,
    "score": score,
    "extract-features": extract_features,
    "cluster": cluster,
    "pseudo-label": pseudo_label,
    "rank": rank,
    "worth": worth,
    "export": export,
    "conclude": conclude,
}
"""The steps of a run, in their order."""


def _joined(groups: Sequence[Sequence[Done]]) -> list[Done]:
    return [done for group in groups for done in group]
