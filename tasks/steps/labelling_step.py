"""The given labels are spread over the pool, judged, and decided on."""

from __future__ import annotations

from dataclasses import replace

from windrow.schemas.stages import Stage
from windrow.tasks.curation_under_way import Curation, joined, paths_of
from windrow.tasks.features.extraction import extract_shards
from windrow.tasks.labels.belonging_scores import find_belonging, refuses
from windrow.tasks.labels.checks.label_checks import check_labels
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.predictions import makers_of, predict_labels
from windrow.tasks.labels.predictions_before import labels_before
from windrow.tasks.labels.states.state_labeling import spread_given_states, told_classes
from windrow.tasks.memory_needs import label_needs, shortage
from windrow.tasks.runner import FEATURES_TAG, Call, Work
from windrow.tasks.steps.embedding_steps import IDENTIFY_BACKBONE, n_samples_of, near_duplicates_from
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.worth.held_out import hold_out, without_held_out
from windrow.tasks.worth.held_out_states import hold_out_states, without_held_out_states

HOLD_OUT = Work("hold-out", hold_out)
WITHOUT_HELD_OUT = Work("without-held-out", without_held_out)
HOLD_OUT_STATES = Work("hold-out-states", hold_out_states)
WITHOUT_HELD_OUT_STATES = Work("without-held-out-states", without_held_out_states)
PREDICT_LABELS = Work("predict-labels", predict_labels)
CHECK_LABELS = Work("check-labels", check_labels)
FIND_BELONGING = Work("find-belonging", find_belonging)
DECIDE_LABELS = Work("decide-labels", decide_labels)
EMBED_SNIPPETS = Work("embed-snippets", extract_shards, tries_again=True, tag=FEATURES_TAG)
SPREAD_STATES = Work("spread-states", spread_given_states)


def pseudo_label(curation: Curation) -> None:
    """Label every embedded sample, or abstain."""
    store, labels, seed = curation.store, curation.config.labels, curation.config.seed
    if labels.kind == "multi":
        _spread_states(curation)
        return
    with curation.stage(Stage.PSEUDO_LABEL) as log:
        given, held = _given(curation)
        spread = _spread(curation, given)
        whole = [each.name for each in curation.config.export.soft]
        decided: Done = curation.here(DECIDE_LABELS, store, curation.made, labels, seed, whole)
        log.done = [given, decided, *spread, held, *curation.met[1:]]
        log.n_samples = decided.counts["n_labelled"] + decided.counts["n_abstained"]
        curation.made = replace(curation.made, pseudo_label=paths_of(log.done))


def _spread_states(curation: Curation) -> None:
    """Say which classes every embedded sample is of, and is not of; by one class a sample only its clusters are."""
    store, labels, seed = curation.store, curation.config.labels, curation.config.seed
    with curation.stage(Stage.PSEUDO_LABEL) as log:
        snippets = _embedded_snippets(curation)
        curation.made = replace(curation.made, given_labels=(curation.met[0].path,), snippets=paths_of(snippets))
        met = _met_states(curation)
        with curation.progress("pseudo-label", 1):
            asking = (store, curation.made, labels, seed, curation.config.features)
            spread: Done = curation.in_worker(SPREAD_STATES, *asking)
            clusters: Done = curation.here(DECIDE_LABELS, store, curation.made, labels, seed, ())
        log.done = [*met, *snippets, clusters, spread]
        log.n_samples = spread.counts["n_stated"] + spread.counts["n_unstated"]
        curation.made = replace(curation.made, pseudo_label=paths_of(log.done))
        for line in told_classes(store, spread):
            curation.runner.say(line)


def _met_states(curation: Curation) -> list[Done]:
    """What was met of labels, with the given states that may be learnt from, and what is held out to judge by."""
    config, store = curation.config, curation.store
    given_labels, given, *others = curation.met
    judging = (store, curation.made, config.worth, near_duplicates_from(curation), config.seed)
    held: Done = curation.here(HOLD_OUT_STATES, *judging)
    if held.counts["n_held_out"]:
        given = curation.here(WITHOUT_HELD_OUT_STATES, store, given.path, held.path)
    curation.made = replace(curation.made, given_states=(given.path,), held_out=(held.path,))
    return [given_labels, given, held, *others]


def _embedded_snippets(curation: Curation) -> list[Done]:
    """Embed the snippets of every sample, where the names of classes are asked of them."""
    config, store, ingested = curation.config, curation.store, curation.made.ingest
    if config.labels.multi.cdul is None:
        return []
    backbone = curation.in_worker(IDENTIFY_BACKBONE, config.features, None, store)
    how = (config.features, None, backbone, config.labels.multi.cdul.grid)
    calls = [
        Call(EMBED_SNIPPETS, f"embed snippets {label}", (store, group, *how))
        for label, group in curation.groups(ingested)
    ]
    n_samples = n_samples_of(store, ingested)
    return joined(curation.in_workers("snippets", len(ingested), calls, n_samples=n_samples))


def _given(curation: Curation) -> tuple[Done, Done]:
    """The given labels that makers may see, and what is held out to judge by."""
    config, store = curation.config, curation.store
    given = curation.met[0]
    curation.made = replace(curation.made, given_labels=(given.path,))
    judging = (store, curation.made, config.worth, near_duplicates_from(curation), config.seed)
    held: Done = curation.here(HOLD_OUT, *judging)
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
    keeps = not curation.attended
    before = labels_before(store, curation.config.name, made.features, keeps) if labels.refit == "grown" else None
    n_classes, at_once = labelled.counts["n_classes"], min(len(makers), curation.n_workers)
    needed = label_needs(store, made.features, curation.config.neighbors.k, n_classes, labels)
    curation.warn(shortage(f"labels of {n_classes:,} classes", needed, at_once))
    calls = [Call(PREDICT_LABELS, maker, (store, made, maker, labels, features, seed, before)) for maker in makers]
    judging = (store, made, labels.checks, labels.n_folds, seed, before)
    calls.append(Call(CHECK_LABELS, CHECK_LABELS.words, judging))
    if refuses(labels, labelled):
        calls.append(Call(FIND_BELONGING, FIND_BELONGING.words, (store, made, before)))
    found: list[Done] = curation.in_workers("pseudo-label", len(calls), calls)
    predictions, belonging = found[: len(makers)], found[len(makers) + 1 :]
    curation.made = replace(
        made,
        predictions=paths_of(predictions),
        belonging=paths_of(belonging),
    )
    return found
