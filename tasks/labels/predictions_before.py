"""What makers predicted on an earlier night: a fit that stays while the pool and its labels have grown by little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, PREDICTIONS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.harmonic_extension import extend_predictions
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.labels.given_labels import pool_labels
from windrow.tasks.labels.rows.prediction_rows import read_held_out, read_rounds
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import MANIFEST, Output, fingerprint, open_output
from windrow.tasks.storage.store.run_records import latest_run

MOST_CHANGED = 0.05
"""Of the samples, and of the labels, may be new or gone since the fit; with 0.1 new samples' labels were worse
(docs/evidence/nights.md)."""
GROWS = frozenset({"embeddings", "neighbors", "given", "earlier"})
"""What of the inputs of predictions may differ from those of the fit."""


@dataclass(frozen=True)
class LabelsBefore:
    """The last night's predictions by maker, and the given labels that makers saw; paths relative to the store."""

    predictions: Mapping[str, str]
    given: str


@dataclass(frozen=True)
class Fit:
    """Predictions that were made of all labels at once, and the row tonight of each of their samples, -1 if gone."""

    output: Output
    place: Int64Array
    labelled: BoolArray

    def extended(self, graph: NeighborGraph, labels: Int64Array) -> tuple[Float32Array, Float32Array]:
        """Predictions (n, n_classes) of tonight's pool, and (m, n_classes) of its m labelled rows by others' labels.

        What is new hears its neighbours. A label that the fit did not see has no part in what it said of the sample.
        """
        there = self.place >= 0
        said = read_rounds(self.output)[-1]
        known = np.zeros(len(labels), np.bool_)
        known[self.place[there]] = True
        pool = np.zeros((len(labels), said.shape[1]), np.float32)
        pool[self.place[there]] = said[there]
        pool = extend_predictions(graph, pool, known)
        held_out, seen = pool.copy(), self.labelled & there
        held_out[self.place[seen]] = read_held_out(self.output)[there[self.labelled]]
        return pool, held_out[labels >= 0]


def labels_before(store: Path, name: str, embedded: Sequence[str]) -> LabelsBefore | None:
    """What the last finished run of the curated set `name` predicted, if its embeddings are of the same backbone.

    `embedded`: tonight's outputs of features.
    """
    run = latest_run(store, name)
    features, labelled = (run.stage(stage) for stage in (Stage.FEATURES, Stage.PSEUDO_LABEL)) if run else (None, None)
    if features is None or labelled is None or not _all_there(store, (*features.outputs[:1], *labelled.outputs)):
        return None
    if _backbones(store, features.outputs[:1]) != _backbones(store, embedded[:1]):
        return None
    outputs = [(path, open_output(store / path)) for path in labelled.outputs]
    predictions = {output.inputs["maker"]: path for path, output in outputs if output.stage == Part.PREDICTIONS}
    given = [path for path, output in outputs if output.stage == Part.GIVEN_LABELS]
    return LabelsBefore(predictions, given[0]) if given else None


def _all_there(store: Path, paths: Sequence[str]) -> bool:
    return all((store / path / MANIFEST).exists() for path in paths)


def _backbones(store: Path, embedded: Sequence[str]) -> set[str]:
    return {open_output(store / path).inputs["backbone_id"] for path in embedded}


def same_night(output: Output, inputs: Mapping[str, Any]) -> bool:
    """Say whether nothing that predictions depend on has changed since an output of theirs, however it was made."""
    return _basis(output.inputs, frozenset({"earlier"})) == _basis(inputs, frozenset({"earlier"}))


def fit_before(
    store: Path, before: LabelsBefore, inputs: Mapping[str, Any], sample_ids: pa.Array, given: pa.Table
) -> Fit | None:
    """The fit that the last night's predictions of the maker go back to, if tonight's can, too.

    So they can with the same settings and classes, when no label that it saw is another or withdrawn, and when no more
    than MOST_CHANGED of the samples and of the labels have come or gone since. inputs: of tonight's predictions;
    sample_ids: of tonight's pool; given: the labels that makers may see.
    """
    latest = before.predictions.get(inputs["maker"])
    path = latest and (open_output(store / latest).inputs["earlier"] or latest)
    if not path or not _all_there(store, (path,)):
        return None
    output = open_output(store / path)
    if _basis(output.inputs, GROWS) != _basis(inputs, GROWS) or not _stand(store, before, sample_ids, given):
        return None
    table = output.read(PREDICTIONS, ["sample_id", "round", "held_out_classes"])
    if table.num_rows == 0 or pc.max(table["round"]).as_py() > 0:
        return None
    place = pc.fill_null(pc.index_in(whole(table["sample_id"]), sample_ids), -1).to_numpy().astype(np.int64)
    fit = Fit(output, place, pc.is_valid(table["held_out_classes"]).to_numpy())
    return fit if _is_near(fit, pool_labels(sample_ids, given, inputs["classes"]) >= 0) else None


def _basis(inputs: Mapping[str, Any], without: frozenset[str]) -> str:
    plain = {name: value for name, value in inputs.items() if name not in {*without, "stage", "version"}}
    return fingerprint(plain)


def _stand(store: Path, before: LabelsBefore, sample_ids: pa.Array, given: pa.Table) -> bool:
    """Whether every label of the last night is given tonight, but for samples that are gone."""
    earlier = open_output(store / before.given).read(LABELS, ["sample_id", "label"])
    earlier = earlier.filter(pc.and_(pc.is_valid(earlier["label"]), pc.is_in(earlier["sample_id"], sample_ids)))
    now = whole(given["label"]).take(pc.index_in(whole(earlier["sample_id"]), whole(given["sample_id"])))
    return bool(pc.all(pc.fill_null(pc.equal(now, whole(earlier["label"])), False), min_count=0).as_py())


def _is_near(fit: Fit, labelled: BoolArray) -> bool:
    there = fit.place >= 0
    seen = fit.place[fit.labelled & there]
    if not labelled[seen].all():  # of a sample that was away in between
        return False
    came, gone = len(labelled) - there.sum(), (~there).sum()
    came_labelled, gone_labelled = labelled.sum() - len(seen), (fit.labelled & ~there).sum()
    within = came <= MOST_CHANGED * len(labelled) and gone <= MOST_CHANGED * len(there)
    most = MOST_CHANGED * labelled.sum()
    return bool(within and came_labelled <= most and gone_labelled <= most)
