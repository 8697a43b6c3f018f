"""What models say of each sample, its neighbours and its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from windrow.schemas.stages import Stage
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.graph_blocks import GraphSearch, search_blocks
from windrow.tasks.clusters.incremental import clusters_before
from windrow.tasks.clusters.known_graph import graph_before
from windrow.tasks.clusters.neighbor_graph import begin_neighbors, end_neighbors
from windrow.tasks.curation_under_way import Curation, joined, paths_of
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.features.model_scores import identify_scorer, score_shards
from windrow.tasks.features.models_at_work import KnownBackbone, KnownModel, KnownScorer
from windrow.tasks.features.one_pass import known_backbone
from windrow.tasks.fetching.credentials import written
from windrow.tasks.ingest.usable_pool import check_pool
from windrow.tasks.memory_needs import graph_needs, shortage
from windrow.tasks.progress import StageProgress
from windrow.tasks.runner import FEATURES_TAG, Call, Work
from windrow.tasks.selection.proposed_threshold import threshold_of
from windrow.tasks.storage.store.outputs import Done, open_output

IDENTIFY_BACKBONE = Work("identify-backbone", identify_backbone)
IDENTIFY_SCORER = Work("identify-scorer", identify_scorer)
SCORE_SAMPLES = Work("score-samples", score_shards, tries_again=True, tag=FEATURES_TAG)
CHOOSE_BACKBONE = Work("choose-backbone", choose_backbone, tries_again=True)
FIT_BACKBONE = Work("fit-backbone", fit_backbone, tries_again=True)
EXTRACT_FEATURES = Work("extract-features", extract_shards, tries_again=True, tag=FEATURES_TAG)
FIND_NEIGHBORS = Work("find-neighbors", begin_neighbors)
SEARCH_BLOCKS = Work("search-blocks", search_blocks, tries_again=True)
END_NEIGHBORS = Work("end-neighbors", end_neighbors)
CLUSTER = Work("cluster", cluster_pool)


def meet_models(curation: Curation, embeds: bool = True) -> None:
    """Load what the config names, unless the store knows it: what does not fit is told before anything is read.

    Models that are known by then are at work while shards are ingested; not the backbone, unless the run `embeds`.
    """
    config, store = curation.config, curation.store
    known: list[KnownModel] = []
    if backbone := known_backbone(store, config.features, config.seed):
        features, weights = backbone
        identity = curation.in_worker(IDENTIFY_BACKBONE, features, weights, store)
        known += [KnownBackbone(features, weights, identity)] if embeds else []
    for scorer in config.scores:
        known.append(KnownScorer(scorer, curation.in_worker(IDENTIFY_SCORER, store, scorer)))
    curation.known_models = tuple(known)


def score(curation: Curation) -> None:
    """Let models of the user's own score the samples that they have not scored yet."""
    store, ingested, scorers = curation.store, curation.made.ingest, curation.config.scores
    with curation.stage(Stage.MODEL_SCORES) as log:
        calls = [
            Call(SCORE_SAMPLES, f"{scorer.name} {label}", (store, group, scorer))
            for scorer in scorers
            for label, group in curation.groups(ingested)
        ]
        n_samples = n_samples_of(store, ingested) * len(scorers)
        done = joined(curation.in_workers("model scores", len(ingested) * len(scorers), calls, n_samples=n_samples))
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
            return joined(curation.in_workers(what, len(paths), calls, n_samples=n_samples_of(store, paths)))

        curation.keep(log, Stage.FEATURES, embed("features", ingested), "n_samples")
        beside = {
            place: paths_of(embed(f"features of {place}", paths)) for place, paths in curation.made.beside.items()
        }
        curation.made = replace(curation.made, beside_features=beside)


def cluster(curation: Curation) -> None:
    """Find the neighbours and the clusters of every embedded sample."""
    config, store, embedded = curation.config, curation.store, curation.made.features
    with curation.stage(Stage.NEIGHBORS) as log:
        curation.keep(log, Stage.NEIGHBORS, [_neighbors(curation)], "n_samples")
    with curation.stage(Stage.CLUSTER) as log, curation.progress("cluster", 1) as progress:
        before = clusters_before(store, config.name, written(asdict(config)), embedded)
        args = (store, embedded, config.clustering, config.seed, progress.note, before)
        curation.keep(log, Stage.CLUSTER, [curation.here(CLUSTER, *args)], "n_samples")


def _neighbors(curation: Curation) -> Done:
    """Make the graph here, or search it in workers where it is large and made anew."""
    config, store, embedded = curation.config.neighbors, curation.store, curation.made.features
    with curation.progress("neighbors", 1, curation.most_groups) as progress:
        known = graph_before(store, curation.config.name)
        curation.warn(shortage("the neighbours of the pool", graph_needs(store, embedded, config)))
        begun: Done | GraphSearch = curation.here(FIND_NEIGHBORS, store, embedded, config, known)
        if isinstance(begun, Done):
            return begun
        _search(curation, begun, progress)
        done: Done = curation.here(END_NEIGHBORS, store, begun)
    return done


def _search(curation: Curation, begun: GraphSearch, progress: StageProgress) -> None:
    n_blocks = len(begun.blocks)
    calls = [
        Call(SEARCH_BLOCKS, f"search {label}", (curation.store, begun, numbers))
        for label, numbers in curation.groups(range(n_blocks))
    ]
    curation.in_workers("neighbors", n_blocks, calls, n_samples=begun.n, shown=progress)


def n_samples_of(store: Path, ingested: Sequence[str]) -> int:
    """How many samples ingested shards have, one that several have counted in each."""
    return sum(open_output(store / path).counts["n_samples"] for path in ingested)


def near_duplicates_from(curation: Curation) -> float:
    """The cosine similarity from which on two samples are near-duplicates."""
    neighbors = open_output(curation.store / curation.made.neighbors[0])
    return threshold_of(neighbors, curation.config.selection).threshold
