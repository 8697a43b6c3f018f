"""Predictions: what each label maker says of every sample, by a few given labels or without. One output a maker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, PREDICTIONS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import CLUSTERERS, MakerName
from windrow.tasks.algorithms.labels.makers.maker_settings import needs_graph, settings_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.neighbor_graph import read_graph
from windrow.tasks.labels.given_labels import class_names, has_classes, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.prediction_rows import prediction_rows
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
)
from windrow.tasks.storage.store.pool import Pool, read_pool

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.label_makers import LabelMaker

VERSION = 1
WITHOUT_LABELS: tuple[MakerName, ...] = (*CLUSTERERS, "sources", "zero_shot")

SOURCES_SQL = "SELECT sample_id, min(source_uri) AS source FROM occurrences GROUP BY sample_id ORDER BY sample_id"


def makers_of(config: LabelsConfig, given: Output) -> list[MakerName]:
    """Return the makers that can predict: all, or without labels of two classes those that need none."""
    learnt = given.counts["n_classes"] > 1
    return [name for name in config.makers if learnt or name in WITHOUT_LABELS]


def predict_labels(
    store: Path,
    made: Made,
    maker: MakerName,
    config: LabelsConfig,
    backbone: BackboneConfig,
    seed: int,
) -> Done:
    """Write PREDICTIONS of one maker, in the order of `sample_id`.

    The count is n_predictions, those of all rounds of an iterative maker.
    Raises ValueError for settings that do not fit the pool, naming them.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.FEATURES, Stage.NEIGHBORS, Part.GIVEN_LABELS)
    given = outputs[Part.GIVEN_LABELS][0].read(LABELS)
    wanted = _Wanted(maker, _classes(given, maker, config), config, backbone, seed)

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs[Stage.FEATURES])
        there = pool_labels(pool.sample_ids, given, wanted.classes) >= 0
        rounds = _rounds(pool, outputs, given, wanted)
        table = pa.concat_tables(
            prediction_rows(pool.sample_ids, maker, number, wanted.classes, each.pool, each.held_out, there)
            for number, each in enumerate(rounds)
        )
        writer.write(PREDICTIONS, table)
        writer.counts.update(n_predictions=table.num_rows)

    by_graph, by_source = needs_graph(maker, config.settings), maker == "sources"
    inputs = {
        "embeddings": content_fingerprint(outputs[Stage.FEATURES]),
        "neighbors": content_fingerprint(outputs[Stage.NEIGHBORS]) if by_graph else None,
        "sources": content_fingerprint(outputs[Stage.INGEST]) if by_source else None,
        "backbone": backbone if maker == "zero_shot" else None,
        "given": outputs[Part.GIVEN_LABELS][0].digest,
        "classes": wanted.classes,
        "maker": maker,
        "settings": settings_of(maker, config.settings),
        "n_folds": config.n_folds,
        "seed": seed,
    }
    return make_output(store, Part.PREDICTIONS, VERSION, inputs, write)


def _classes(given: pa.Table, maker: MakerName, config: LabelsConfig) -> list[str]:
    """What a maker predicts: the classes that are given or named in settings; else numbers of clusters."""
    if has_classes(given) or maker == "zero_shot":
        return class_names(given, config.named_classes)
    n_clusters = config.settings.clusters.n_clusters
    if n_clusters is None:
        raise ValueError(f"labels.settings.clusters.n_clusters: {maker} wants a number where no labels are given")
    return [str(number) for number in range(n_clusters)]


@dataclass(frozen=True)
class _Wanted:
    maker: MakerName
    classes: Sequence[str]
    config: LabelsConfig
    backbone: BackboneConfig
    seed: int


@dataclass(frozen=True)
class _Round:
    """What a maker says in a round: of the pool (n, n_classes), and in the last round of its m labelled samples by the
    labels of others (m, n_classes)."""

    pool: Float32Array
    held_out: Float32Array | None = None


def _rounds(pool: Pool, outputs: Mapping[str, Sequence[Output]], given: pa.Table, wanted: _Wanted) -> list[_Round]:
    from windrow.tasks.algorithms.labels.label_makers import cross_fit
    from windrow.tasks.algorithms.labels.makers.named_learners import iterative_rounds
    from windrow.tasks.algorithms.labels.makers.sinkhorn import NotConvergedError

    labels, everyone = pool_labels(pool.sample_ids, given, wanted.classes), np.arange(len(pool.sample_ids))
    graph, n_classes, settings = read_graph(outputs[Stage.NEIGHBORS][0]), len(wanted.classes), wanted.config.settings
    try:
        if not has_classes(given):
            return [_Round(_without_labels(pool, graph, outputs, wanted))]
        make = _maker(pool, graph, outputs, wanted)
        held_out = cross_fit(make, labels, n_classes, wanted.config.n_folds, wanted.seed)
        if wanted.maker != "iterative":
            return [_Round(make(labels, everyone), held_out)]
        *earlier, last = iterative_rounds(pool.embeddings, graph, labels, n_classes, settings, seed=wanted.seed)
        return [*(_Round(each.dense()) for each in earlier), _Round(last.dense(), held_out)]
    except NotConvergedError as error:
        raise ValueError(str(error)) from None


def _maker(pool: Pool, graph: NeighborGraph, outputs: Mapping[str, Sequence[Output]], wanted: _Wanted) -> LabelMaker:
    from windrow.tasks.algorithms.labels.makers.named_makers import maker
    from windrow.tasks.labels.class_texts import class_texts

    name, settings, classes = wanted.maker, wanted.config.settings, wanted.classes
    texts = class_texts(wanted.backbone, classes, settings.zero_shot) if name == "zero_shot" else None
    sources = _sources(pool, outputs[Stage.INGEST]) if name == "sources" else None
    return maker(name, pool.embeddings, graph, len(classes), settings, seed=wanted.seed, texts=texts, sources=sources)


def _without_labels(
    pool: Pool, graph: NeighborGraph, outputs: Mapping[str, Sequence[Output]], wanted: _Wanted
) -> Float32Array:
    from windrow.tasks.algorithms.labels.makers.named_clusterers import cluster_labels, source_clusters

    name, settings, seed = wanted.maker, wanted.config.settings, wanted.seed
    n, n_clusters = len(pool.sample_ids), len(wanted.classes)
    if name == "zero_shot":
        return _maker(pool, graph, outputs, wanted)(np.full(n, -1, np.int64), np.arange(n))
    if name == "sources":
        found = source_clusters(pool.embeddings, _sources(pool, outputs[Stage.INGEST]), n_clusters, settings, seed)
    else:
        found = cluster_labels(name, pool.embeddings, graph, n_clusters, settings, seed)  # type: ignore[arg-type]
    return found.dense()


def _sources(pool: Pool, ingested: Sequence[Output]) -> Int64Array:
    """Where each sample of the pool was seen: its first `source_uri`, numbered in their order from 0."""
    seen = connect(tables_of({Stage.INGEST: ingested})).sql(SOURCES_SQL).to_arrow_table()
    names = seen["source"].combine_chunks().take(pc.index_in(pool.sample_ids, seen["sample_id"].combine_chunks()))
    return np.unique(names.to_numpy(zero_copy_only=False), return_inverse=True)[1].astype(np.int64)
