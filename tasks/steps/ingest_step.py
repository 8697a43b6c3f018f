"""What is new in the sources is read, and what the user says of the pool is held against it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from windrow.schemas import OCCURRENCES, SOURCE_COLUMNS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.config import CurationConfig
from windrow.tasks.corrections.taken import take_corrections, told_of
from windrow.tasks.curation_under_way import Curation, joined, paths_of
from windrow.tasks.features.models_at_work import KnownModel
from windrow.tasks.features.one_pass import Ingested, ingest_with_models, made_on_the_way
from windrow.tasks.fetching.credentials import name_sources
from windrow.tasks.ingest.hash_groups import group_hashes
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.ingest.kept_copies import keep_copies
from windrow.tasks.ingest.lost_samples import Loss, check_losses, losses
from windrow.tasks.labels.checked_files import check_files, check_rows, named_files, told
from windrow.tasks.labels.found_labels import read_found_labels
from windrow.tasks.labels.given_labels import find_given
from windrow.tasks.labels.states.given_states import find_given_states, told_states
from windrow.tasks.labels.states.statements import Place
from windrow.tasks.runner import FEATURES_TAG, IO_TAG, Call, Work
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_settings import recorded_uris, settings_of, uris_of
from windrow.tasks.storage.sources.source_shard import SourceShard
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.registry import register_shards
from windrow.tasks.storage.store.run_records import Run, last_ingested, latest_run

INGEST_SHARDS = Work("ingest-shards", ingest_shards, tries_again=True, tag=IO_TAG)
INGEST_WITH_MODELS = Work("ingest-shards", ingest_with_models, tries_again=True, tag=FEATURES_TAG)
GROUP_HASHES = Work("group-hashes", group_hashes)
GIVEN_LABELS = Work("given-labels", find_given)
GIVEN_STATES = Work("given-states", find_given_states)
TAKE_CORRECTIONS = Work("take-corrections", take_corrections)
CHECK_FILES = Work("check-files", check_files)


def ingest(curation: Curation) -> None:
    """Read what is new in the sources. Bytes stay where they are and as they are."""
    config, store = curation.config, curation.store
    last = last_ingested(store, config.name)
    with curation.stage(Stage.INGEST) as log:
        shards = plan_shards(config.sources, config.ingest, recorded_uris(last.config) if last else ())
        sets_beside = _planned_beside(config)
        if last is None:  # a whole pool is still to be read, and seen by models
            check_rows(config.labels, config.worth.evaluate, shards)
        until = time.time() + config.ingest.fetch.run_seconds

        def read(what: str, shards: Sequence[SourceShard], *models: Sequence[KnownModel]) -> list[Done]:
            work = INGEST_WITH_MODELS if models else INGEST_SHARDS
            given = [(label, (store, group, config.ingest, until, *models)) for label, group in curation.groups(shards)]
            calls = [Call(work, f"ingest {label}", values) for label, values in given]
            return joined(curation.in_workers(what, len(shards), calls, "n_occurrences", _n_occurrences(shards)))

        kept = _kept(curation, shards, last) if last and config.ingest.mode == "copy" else []
        models = [curation.known_models] if curation.known_models else []
        ingested = read("ingest", shards, *models)
        beside = [made for each in ingested if isinstance(each, Ingested) for made in each.beside]
        curation.made_beside = frozenset(paths_of(beside))
        curation.keep(log, Stage.INGEST, [*ingested, *kept], "n_occurrences")
        read_beside = {place: paths_of(read(f"ingest of {place}", shards)) for place, shards in sets_beside.items()}
        curation.made = replace(curation.made, beside=read_beside)
        register_shards(store, curation.made.ingest)
        lost = _lost(curation)
        log.note = "; ".join(filter(None, [made_on_the_way(beside), *(loss.sentence for loss in lost)])) or None
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
    corrections = _corrections(curation)
    one_class = labels.given if labels.kind == "single" else ("none",)
    taken = curation.made.label_corrections if labels.kind == "single" else ()
    given: Done = curation.here(GIVEN_LABELS, store, ingested, one_class, labels.no_label, labels.annotators, taken)
    curation.met = (given, *_given_states(curation), *corrections)
    if named_files(labels, evaluate, lists) or labels.prior.shares:
        files: Done = curation.here(CHECK_FILES, store, ingested, given.path, labels, evaluate, lists)
        curation.met = (*curation.met, files)
        for line in told(store, files):
            curation.runner.say(line)


def _given_states(curation: Curation) -> list[Done]:
    """Read which classes samples are of, and are not of, where they may be of several."""
    config, made = curation.config, curation.made
    if config.labels.kind == "single":
        return []
    names = name_sources(uris_of(config.sources))
    settings = (settings_of(source, config.ingest)[1] for source in config.sources)
    found = (Place(each.label_key, tuple(map(str, each.vocabulary))) for each in settings)
    places = dict(zip(names, found, strict=True))
    done: Done = curation.here(GIVEN_STATES, curation.store, made.ingest, config.labels, places, made.label_corrections)
    curation.made = replace(made, given_states=(done.path,))
    curation.runner.say(f"labels: {told_states(done.counts, config.labels)}")
    return [done]


def _corrections(curation: Curation) -> list[Done]:
    """Take what people have said of samples; return what is said of labels, if anything is."""
    if not curation.config.corrections:
        return []
    several = curation.config.labels.kind == "multi"
    taken: dict[Part, Done] = curation.here(TAKE_CORRECTIONS, curation.store, curation.made.ingest, several)
    of_labels, of_selection = (
        [taken[part]] if part in taken else [] for part in (Part.LABEL_CORRECTIONS, Part.SELECTION_CORRECTIONS)
    )
    curation.made = replace(
        curation.made, label_corrections=paths_of(of_labels), selection_corrections=paths_of(of_selection)
    )
    if taken:
        curation.runner.say(f"corrections: {told_of(curation.store, taken.values())}")
    return of_labels


def _n_occurrences(shards: Sequence[SourceShard]) -> int | None:
    """How many occurrences shards hold; of tars and Parquet files that is not known before they are read."""
    if all(shard.files or shard.run for shard in shards):
        return sum(shard.run.n_rows if shard.run else len(shard.files) for shard in shards)
    return None


def _tell_found(curation: Curation) -> None:
    """Say what came with the samples of each source."""
    outputs = curation.made.opened(curation.store, Stage.INGEST)
    connection = connect(tables_of(outputs), only=[OCCURRENCES, SOURCE_COLUMNS])
    for found in read_found_labels(connection, curation.config.labels.no_label):
        curation.runner.say(f"{found.source}: {found.told(curation.config.labels.kind == 'multi')}")


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
