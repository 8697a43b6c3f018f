"""Predictions: what each label maker says of every sample, by a few given labels or without. One output a maker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, NEIGHBORS, OCCURRENCES, PREDICTIONS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.iterative_labels import IterativeLabels
from windrow.tasks.algorithms.labels.maker import LabelMaker, LabelPool, Maker, SettingError
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed, cross_fit_listed
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities
from windrow.tasks.algorithms.labels.text_names import names_of
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.labels.chosen_makers import chosen_maker, fit_maker, maker_basis
from windrow.tasks.labels.given_labels import class_names, has_classes, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions_before import Fit, LabelsBefore, OfNew, fit_before, same_night, write_tuned
from windrow.tasks.labels.rows.prediction_rows import MOST_CLASSES, prediction_rows
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)
from windrow.tasks.storage.store.pool import Pool, read_pool

VERSION = 4
LISTED_VERSION = 1
"""Of predictions of more classes than MOST_CLASSES, which list these."""

SOURCES_SQL = "SELECT sample_id, min(source_uri) AS source FROM occurrences GROUP BY sample_id ORDER BY sample_id"


def makers_of(config: LabelsConfig, given: Output) -> list[str]:
    """Return the makers that can predict: all, or without labels of two classes those that need none."""
    learnt = given.counts["n_classes"] > 1
    return [name for name in config.makers if learnt or "labels" not in chosen_maker(name, config.settings).needs]


def predict_labels(
    store: Path,
    made: Made,
    maker: str,
    config: LabelsConfig,
    backbone: BackboneConfig,
    seed: int,
    before: LabelsBefore | None = None,
) -> Done:
    """Write PREDICTIONS of one maker, in the order of `sample_id`.

    before: what the last night predicted, of which `config.refit` may keep the tuning, or, in a night, the answers.
    The count is n_predictions, those of all rounds of an iterative maker.
    Raises ValueError for settings that do not fit the pool, naming them.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.FEATURES, Stage.NEIGHBORS, Part.GIVEN_LABELS)
    given = outputs[Part.GIVEN_LABELS][0].read(LABELS)
    chosen = chosen_maker(maker, config.settings)
    wanted = _Wanted(maker, chosen, _classes(given, maker, chosen, config), config, backbone, seed)

    inputs = {
        "embeddings": content_fingerprint(outputs[Stage.FEATURES]),
        "neighbors": content_fingerprint(outputs[Stage.NEIGHBORS]) if "graph" in chosen.needs else None,
        "sources": content_fingerprint(outputs[Stage.INGEST]) if "sources" in chosen.needs else None,
        "backbone": backbone if "texts" in chosen.needs else None,
        "texts": config.settings.zero_shot if "texts" in chosen.needs else None,
        "given": outputs[Part.GIVEN_LABELS][0].digest,
        "classes": wanted.classes,
        "maker": maker,
        **maker_basis(maker, chosen),
        "n_folds": config.n_folds,
        "seed": seed,
        "earlier": None,
    }
    if len(wanted.classes) > MOST_CLASSES:
        inputs["listed"] = LISTED_VERSION
    fit, latest = None, None
    if before is not None and config.refit == "grown" and has_classes(given):
        latest = _latest(store, before, maker)
    if before is not None and latest is not None:
        if same_night(latest, inputs):
            return Done(before.predictions[maker], True, latest.counts)
        ids = whole(outputs[Stage.NEIGHBORS][0].read(NEIGHBORS, ["sample_id"])["sample_id"])
        fit = fit_before(store, before, inputs, ids, given)

    wanted = replace(wanted, keeps=_keeps(before, fit, chosen))

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs[Stage.FEATURES])
        there = pool_labels(pool.sample_ids, given, wanted.classes) >= 0
        rounds = _rounds(pool, outputs, given, wanted, fit, writer)
        table = pa.concat_tables(
            prediction_rows(pool.sample_ids, maker, number, wanted.classes, each.pool, each.held_out, there)
            for number, each in enumerate(rounds)
        )
        writer.write(PREDICTIONS, table)
        writer.counts.update(n_predictions=table.num_rows)

    inputs["earlier"] = str(fit.output.path.relative_to(store)) if fit is not None else None
    if wanted.keeps:
        inputs["keeps"] = True
    return make_output(store, Part.PREDICTIONS, VERSION, inputs, write)


def _keeps(before: LabelsBefore | None, fit: Fit | None, maker: LabelMaker) -> bool:
    """Whether what the fit said stays; an iterative maker's rounds lead from one to the next, so it starts anew."""
    return before is not None and before.keeps and fit is not None and not isinstance(maker, IterativeLabels)


def _latest(store: Path, before: LabelsBefore, maker: str) -> Output | None:
    """The maker's predictions of the last night, if this version of the code made them."""
    path = before.predictions.get(maker)
    output = open_output(store / path) if path is not None else None
    return output if output is not None and output.inputs["version"] == VERSION else None


def _classes(given: pa.Table, name: str, maker: LabelMaker, config: LabelsConfig) -> list[str]:
    """What a maker predicts: the classes that are given or named in settings; else numbers of clusters."""
    if has_classes(given) or "texts" in maker.needs:
        return class_names(given, config.named_classes)
    n_clusters = getattr(maker, "n_clusters", None)
    if n_clusters is None:
        raise ValueError(f"labels.settings.{name}.n_clusters: wants a number where no labels are given")
    return [str(number) for number in range(n_clusters)]


@dataclass(frozen=True)
class _Wanted:
    name: str
    maker: LabelMaker
    classes: Sequence[str]
    config: LabelsConfig
    backbone: BackboneConfig
    seed: int
    keeps: bool = False

    def of_new(self, maker: LabelMaker, pool: LabelPool) -> OfNew:
        """What the maker says of new rows of the pool."""

        def said_of(labels: Int64Array, new: Int64Array, said: Float32Array) -> Float32Array:
            if isinstance(maker, Maker):
                return maker.of_new(pool, labels, new, said)
            return fit_maker(self.name, maker, pool)(labels, new)

        return said_of


@dataclass(frozen=True)
class _Round:
    """What a maker says in a round: of the pool (n, n_classes), and in the last round of its m labelled samples by the
    labels of others (m, n_classes)."""

    pool: Probabilities
    held_out: Probabilities | None = None


def _rounds(
    pool: Pool,
    outputs: Mapping[str, Sequence[Output]],
    given: pa.Table,
    wanted: _Wanted,
    fit: Fit | None,
    writer: OutputWriter,
) -> list[_Round]:
    asked = _asked(pool, outputs, wanted)
    labels = pool_labels(pool.sample_ids, given, wanted.classes)
    try:
        if not has_classes(given):
            return [_Round(_without_labels(asked, labels, wanted))]
        return _with_labels(asked, labels, wanted, fit, writer)
    except SettingError as error:
        raise ValueError(f"labels.settings.{wanted.name}.{error}") from None


def _asked(pool: Pool, outputs: Mapping[str, Sequence[Output]], wanted: _Wanted) -> LabelPool:
    """The pool, with what the maker needs of it."""
    needs, classes = wanted.maker.needs, wanted.classes
    graph = read_graph(outputs[Stage.NEIGHBORS][0]) if "graph" in needs else None
    sources = _sources(pool, outputs[Stage.INGEST]) if "sources" in needs else None
    texts = None
    if "texts" in needs:
        from windrow.tasks.labels.class_texts import class_texts

        named = wanted.config.settings.zero_shot
        texts = class_texts(wanted.backbone, names_of(named.class_names, classes), named.templates)
    return LabelPool(pool.embeddings, len(classes), graph, texts, sources, wanted.seed, MOST_CLASSES, memory_budget())


def _with_labels(
    pool: LabelPool, labels: Int64Array, wanted: _Wanted, fit: Fit | None, writer: OutputWriter
) -> list[_Round]:
    maker, n_folds = wanted.maker, wanted.config.n_folds
    if isinstance(maker, Maker):
        maker = maker.tuned(pool, labels, n_folds) if fit is None else fit.tuned(maker)
    if fit is not None and wanted.keeps and not pool.lists:
        return [_Round(*fit.extended(wanted.of_new(maker, pool), labels, pool.n_classes))]
    if fit is None:
        write_tuned(writer, wanted.maker, maker)
    if pool.lists and isinstance(maker, Maker) and not isinstance(maker, IterativeLabels):
        return [_listed(maker.fit_listed(pool), pool, labels, fit, n_folds)]
    predict = fit_maker(wanted.name, maker, pool)
    if fit is None:
        held_out = cross_fit(predict, labels, pool.n_classes, n_folds, wanted.seed)
    else:
        held_out = fit.held_out(predict, labels, pool.n_classes)
    if isinstance(wanted.maker, IterativeLabels):
        *earlier, last = wanted.maker.rounds(pool, labels)
        return [*map(_Round, earlier), _Round(last, held_out)]
    return [_Round(predict(labels, np.arange(len(labels))), held_out)]


def _listed(predict: PredictListed, pool: LabelPool, labels: Int64Array, fit: Fit | None, n_folds: int) -> _Round:
    """What a maker says of many classes: of each sample the most probable."""
    if fit is None:
        held_out = cross_fit_listed(predict, labels, pool.n_classes, n_folds, pool.seed)
    else:
        held_out = fit.held_out_listed(predict, labels)
    return _Round(predict(labels, np.arange(len(labels))), held_out)


def _without_labels(pool: LabelPool, labels: Int64Array, wanted: _Wanted) -> Float32Array:
    if isinstance(wanted.maker, Clusterer):
        return wanted.maker.clusters(pool, pool.n_classes).dense()
    return fit_maker(wanted.name, wanted.maker, pool)(labels, np.arange(len(labels)))


def _sources(pool: Pool, ingested: Sequence[Output]) -> Int64Array:
    """Where each sample of the pool was seen: its first `source_uri`, numbered in their order from 0."""
    seen = connect(tables_of({Stage.INGEST: ingested}), only=[OCCURRENCES]).sql(SOURCES_SQL).to_arrow_table()
    names = whole(seen["source"]).take(pc.index_in(pool.sample_ids, whole(seen["sample_id"])))
    return np.unique(names.to_numpy(zero_copy_only=False), return_inverse=True)[1].astype(np.int64)
