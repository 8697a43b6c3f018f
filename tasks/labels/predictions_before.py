"""How makers were tuned and judged on an earlier night: that stays while pool and labels have changed by little.

Tuning and judging take a maker some 25 times over the pool, and change little. Labels are learnt anew where somebody
asks for it, and in a night that nobody watches only what is new since the fit is told its label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, PREDICTIONS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import LabelMaker, Maker
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
from windrow.tasks.algorithms.labels.many_classes.listed_rows import joined
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.labels.given_labels import pool_labels
from windrow.tasks.labels.rows.prediction_rows import read_held_out, read_listed_held_out, read_rounds
from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import MANIFEST, Done, Output, OutputWriter, fingerprint, open_output
from windrow.tasks.storage.store.run_records import latest_run

JUDGED = (Part.BELONGING, Part.LABEL_CHECKS)
# labels (n,), new rows (k,) and what was said of the others (n, n_classes) -> (k, n_classes)
OfNew = Callable[[Int64Array, Int64Array, Float32Array], Float32Array]
# an output -> its samples, and those of them that had a label
ReadFit = Callable[[Output], tuple[pa.Array, pa.Array]]

TUNED = "tuned.settings"
MOST_CHANGED = 0.1
"""Of the samples, and of the labels, may have come or gone since the fit."""
GROWS = frozenset({"embeddings", "features", "neighbors", "sources", "given", "earlier", "keeps", "stage", "version"})
"""What of the inputs may differ from those of the fit."""


@dataclass(frozen=True)
class LabelsBefore:
    """The last night's predictions by maker, and the given labels that makers saw; paths relative to the store.

    `keeps`: whether what was said of a sample stays, so that only those that are new since the fit are predicted and
    judged. `judged`: what else was made of labels, by its part.
    """

    predictions: Mapping[str, str]
    given: str
    keeps: bool = False
    judged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What was made with all that tuning and judging takes, and tonight's rows of the samples that had a label then, -1
    of those that are gone; `rows` of all its samples.

    tuned_by: the output whose tuning this one took over, if it did.
    """

    output: Output
    place: Int64Array
    rows: Int64Array
    tuned_by: Output | None = None

    def tuned(self, maker: Maker) -> Maker:
        """The maker with the settings that were chosen by the labels of then."""
        path = (self.tuned_by or self.output).path
        return replace(cast(Any, maker), **read_sealed(path / TUNED)["chosen"])  # type: ignore[no-any-return]

    def held_out(self, predict: Predict, labels: Int64Array, n_classes: int) -> Float32Array:
        """What the maker says of the m labelled rows of labels (n,) by the labels of others: (m, n_classes).

        Of those that the fit judged what it said then; of the others by all labels but theirs.
        """
        found = np.zeros((len(labels), n_classes), np.float32)
        there = self.place >= 0
        found[self.place[there]] = read_held_out(self.output)[there]
        came = labels >= 0
        came[self.place[there]] = False
        if came.any():
            found[came] = predict(np.where(came, -1, labels), np.flatnonzero(came))
        return found[labels >= 0]

    def extended(self, of_new: OfNew, labels: Int64Array, n_classes: int) -> tuple[Float32Array, Float32Array]:
        """What the fit said, and what the maker says of the samples that are new since: of all (n, n_classes), and of
        the m labelled ones by the labels of others (m, n_classes).

        The fit did not know the labels that came since to samples that it knew: what it said of them is judged.
        """
        there = self.rows >= 0
        said = np.zeros((len(labels), n_classes), np.float32)
        said[self.rows[there]] = read_rounds(self.output)[-1][there]
        is_new = np.ones(len(labels), np.bool_)
        is_new[self.rows[there]] = False
        new, apart = np.flatnonzero(is_new), said.copy()
        if len(new):
            said[new] = of_new(labels, new, said)
            if (labels[new] >= 0).any():
                apart[new] = of_new(np.where(is_new, -1, labels), new, apart)
        judged = self.place[self.place >= 0]
        apart[judged] = read_held_out(self.output)[self.place >= 0]
        return said, apart[labels >= 0]

    def held_out_listed(self, predict: PredictListed, labels: Int64Array) -> SparseProbabilities:
        """The same of predictions that list some of many classes."""
        there, before = self.place >= 0, read_listed_held_out(self.output)
        came = labels >= 0
        came[self.place[there]] = False
        parts, rows = [before.take(there)], [self.place[there]]
        if came.any():
            parts.append(predict(np.where(came, -1, labels), np.flatnonzero(came)))
            rows.append(np.flatnonzero(came))
        said = joined(parts, max(part.classes.shape[1] for part in parts), before.n_classes)
        return said.take(np.argsort(np.concatenate(rows), kind="stable"))


def write_tuned(writer: OutputWriter, asked: LabelMaker, tuned: LabelMaker) -> None:
    """Keep which settings of a maker its labels have chosen."""
    chosen = {}
    if isinstance(asked, Maker):
        names = [each.name for each in fields(asked)]  # type: ignore[arg-type]  # every maker is a dataclass
        chosen = {name: getattr(tuned, name) for name in names if getattr(tuned, name) != getattr(asked, name)}
    with writer.appending(TUNED) as file:
        file.write(sealed_json({"chosen": chosen}).encode())


def labels_before(store: Path, name: str, embedded: Sequence[str], keeps: bool = False) -> LabelsBefore | None:
    """What the last finished run of the curated set `name` predicted, if its embeddings are of the same backbone.

    `embedded`: tonight's outputs of features; `keeps`: see `LabelsBefore`.
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
    judged = {str(output.stage): path for path, output in outputs if output.stage in JUDGED}
    return LabelsBefore(predictions, given[0], keeps, judged) if given else None


def _all_there(store: Path, paths: Sequence[str]) -> bool:
    return all((store / path / MANIFEST).exists() for path in paths)


def _backbones(store: Path, embedded: Sequence[str]) -> set[str]:
    return {open_output(store / path).inputs["backbone_id"] for path in embedded}


def fit_before(
    store: Path, before: LabelsBefore, inputs: Mapping[str, Any], sample_ids: pa.Array, given: pa.Table
) -> Fit | None:
    """The fit that the last night's predictions of the maker go back to, if tonight's can, too.

    So they can with the same settings and classes, when no label that it saw is another or withdrawn, and when
    no more than MOST_CHANGED of the samples and of the labels have come or gone since. A night that keeps goes on from
    the last answers that were learnt from all labels, tuned then or before. inputs: of tonight's
    predictions; sample_ids: of tonight's pool; given: the labels that makers may see.
    """
    pool = (sample_ids, given, pool_labels(sample_ids, given, inputs["classes"]))
    latest = before.predictions.get(inputs["maker"])
    first, learnt = _back_to(store, latest), _back_to(store, latest, lambda output: not output.inputs.get("keeps"))
    fit = _fit(store, before, first, inputs, pool, _predicted)
    if fit is None or not before.keeps or learnt == first:
        return fit
    last = _fit(store, before, learnt, inputs, pool, _predicted)
    return None if last is None else replace(last, tuned_by=fit.output)


def judged_fit(
    store: Path,
    before: LabelsBefore | None,
    part: Part,
    inputs: Mapping[str, Any],
    pool: tuple[pa.Array, pa.Table, Int64Array],
    read: ReadFit,
) -> Fit | None:
    """The same of another part that judges samples by labels, in a night that keeps what was said; else None.

    pool: tonight's samples, the given labels, and these (n,), -1 where there is none.
    """
    if before is None or not before.keeps:
        return None
    latest = before.judged.get(part)
    if latest is None or open_output(store / latest).inputs["version"] != inputs["version"]:
        return None
    return _fit(store, before, _back_to(store, latest), inputs, pool, read)


def _back_to(store: Path, path: str | None, stops: Callable[[Output], bool] = lambda _: False) -> str | None:
    """The output that one goes back to, or the first on the way where it stops; None where one is gone."""
    while path is not None and _all_there(store, (path,)):
        output = open_output(store / path)
        if stops(output) or not output.inputs.get("earlier"):
            return path
        path = output.inputs["earlier"]
    return None


def _fit(
    store: Path,
    before: LabelsBefore,
    path: str | None,
    inputs: Mapping[str, Any],
    pool: tuple[pa.Array, pa.Table, Int64Array],
    read: ReadFit,
) -> Fit | None:
    if path is None:
        return None
    output, (sample_ids, given, labels) = open_output(store / path), pool
    if _basis(output.inputs) != _basis(inputs) or not _stand(store, before, sample_ids, given):
        return None
    samples, judged = read(output)
    place, rows = np.split(_places(whole(pa.chunked_array([judged, samples])), sample_ids), [len(judged)])
    fit = Fit(output, place, rows)
    n_stay, n = int((fit.rows >= 0).sum()), len(sample_ids)
    near = max(n - n_stay, len(samples) - n_stay) <= MOST_CHANGED * n
    return fit if near and _still_judges(fit, labels) else None


def _predicted(output: Output) -> tuple[pa.Array, pa.Array]:
    table = output.read(PREDICTIONS, ["sample_id", "round", "held_out_classes"])
    samples = whole(table.filter(pc.equal(table["round"], 0))["sample_id"])
    return samples, whole(table.filter(pc.is_valid(table["held_out_classes"]))["sample_id"])


def same_night(output: Output, inputs: Mapping[str, Any]) -> bool:
    """Say whether nothing that predictions depend on has changed since these, however they were made."""
    without = frozenset({"earlier", "keeps", "stage", "version"})
    return _basis(output.inputs, without) == _basis(inputs, without)


def judged_tonight(store: Path, before: LabelsBefore | None, part: Part, inputs: Mapping[str, Any]) -> Done | None:
    """What the last night judged, if nothing that it depends on has changed since, however it was made; else None."""
    latest = before.judged.get(part) if before is not None else None
    output = open_output(store / latest) if latest is not None else None
    if latest is None or output is None or output.inputs["version"] != inputs["version"]:
        return None
    return Done(latest, True, output.counts) if same_night(output, inputs) else None


def _places(samples: pa.Array, sample_ids: pa.Array) -> Int64Array:
    return np.asarray(pc.fill_null(pc.index_in(samples, sample_ids), -1), np.int64)


def _basis(inputs: Mapping[str, Any], without: frozenset[str] = GROWS) -> str:
    return fingerprint({name: value for name, value in inputs.items() if name not in without})


def _stand(store: Path, before: LabelsBefore, sample_ids: pa.Array, given: pa.Table) -> bool:
    """Whether every label of the last night is given tonight, but for samples that are gone."""
    earlier = open_output(store / before.given).read(LABELS, ["sample_id", "label"])
    earlier = earlier.filter(pc.and_(pc.is_valid(earlier["label"]), pc.is_in(earlier["sample_id"], sample_ids)))
    now = whole(given["label"]).take(pc.index_in(whole(earlier["sample_id"]), whole(given["sample_id"])))
    return bool(pc.all(pc.fill_null(pc.equal(now, whole(earlier["label"])), False), min_count=0).as_py())


def _still_judges(fit: Fit, labels: Int64Array) -> bool:
    """Whether what a fit said of labelled samples is of enough of tonight's labels (n,)."""
    rows = fit.place[fit.place >= 0]
    n_labels = int((labels >= 0).sum())
    if (labels[rows] < 0).any():  # the label of a sample that was away in between
        return False
    return max(n_labels - len(rows), len(fit.place) - len(rows)) <= MOST_CHANGED * n_labels
