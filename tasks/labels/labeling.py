"""Pseudo-labels: what the clusters say, and what the makers say together, where that is sure enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import BELONGING, LABELS, PREDICTIONS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.combining.label_prior import given_shares
from windrow.tasks.algorithms.labels.deciding.label_sets import possible_classes
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Evidence, decide
from windrow.tasks.algorithms.labels.deciding.unseen_classes import confidence_of, widened
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, first_class, of_labels
from windrow.tasks.corrections.taken import abstain_where_refuted, read_taken
from windrow.tasks.labels.given_labels import class_names, has_classes, pool_labels, pool_weights
from windrow.tasks.labels.labels_config import MOST_PROBABLE, PSEUDO, LabelsConfig
from windrow.tasks.labels.rows.label_rows import WITHOUT_CLASSES, LabelSet, cluster_rows
from windrow.tasks.labels.rows.label_set_rows import AddLabelSet, label_sets_of
from windrow.tasks.labels.rows.prediction_rows import (
    MOST_CLASSES,
    read_held_out,
    read_listed_held_out,
    read_listed_rounds,
    read_rounds,
)
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, content_fingerprint, make_output

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.label_spreading import CombineRule, SpreadLabels

VERSION = 8
LISTED_VERSION = 1
"""Of labels of more classes than MOST_CLASSES."""
DECISIONS = (
    *("combine", "combine_by", "prior", "policy", "least_belonging", "conformal", "top_k", "n_folds"),
    *("distances", "unseen_classes"),
)


def decide_labels(store: Path, made: Made, config: LabelsConfig, seed: int, whole: Sequence[str] = ()) -> Done:
    """Write LABELS of the pool: label sets cluster_1 (finest) and up, each maker's own, pseudo and most_probable.

    Where no class is known these two are not there; with zero_shot alone they are what it says. Beside it LABEL_SETS,
    and, of the label sets in `whole`, SOFT_LABELS.

    The counts are n_labelled and n_abstained, of the label set pseudo, and n_refused, those of them that abstain
    because they seem to be of no class.
    """
    outputs = made.opened(store, Stage.CLUSTER, Part.GIVEN_LABELS, Part.PREDICTIONS, Part.BELONGING)
    corrected = made.opened(store, Part.LABEL_CORRECTIONS)[Part.LABEL_CORRECTIONS]

    def write(writer: OutputWriter) -> None:
        tables = cluster_rows(outputs[Stage.CLUSTER][0])
        with label_sets_of(writer, whole) as add:
            tables += _predicted(outputs, config, seed, add)
        table = pa.concat_tables([LABELS.schema().empty_table(), *tables])
        table = abstain_where_refuted(table, read_taken(corrected))
        writer.write(LABELS, table)
        pseudo = table.filter(pc.equal(table["label_set"], PSEUDO))
        n_abstained = pc.sum(pseudo["abstained"]).as_py() or 0
        refused = _belonging(outputs, config)
        writer.counts.update(
            n_labelled=len(pseudo) - n_abstained,
            n_abstained=n_abstained,
            n_refused=0 if refused is None else int((refused <= np.float32(config.least_belonging)).sum()),
        )

    distances = Path(config.distances) if config.distances is not None else None
    inputs = {
        **digests(outputs),
        **({"listed": LISTED_VERSION} if _n_classes(outputs) > MOST_CLASSES else {}),
        **{name: getattr(config, name) for name in DECISIONS},
        "distances_file": file_digest(distances) if distances is not None and distances.is_file() else None,
        "seed": seed,
        "whole": sorted(set(whole)),
    }
    if corrected:
        inputs["corrections"] = content_fingerprint(corrected)
    return make_output(store, Stage.PSEUDO_LABEL, VERSION, inputs, write)


def _n_classes(outputs: Mapping[str, Sequence[Output]]) -> int:
    return max((len(output.inputs["classes"]) for output in outputs[Part.PREDICTIONS]), default=0)


def _belonging(outputs: Mapping[str, Sequence[Output]], config: LabelsConfig) -> Float32Array | None:
    """The p-value (n,) of each sample of the pool, in the order of `sample_id`; None where nothing is to be refused."""
    if not outputs[Part.BELONGING] or not config.least_belonging:
        return None
    column = outputs[Part.BELONGING][0].read(BELONGING)["belonging"]
    return np.asarray(column.to_numpy(), np.float32) if len(column) else None


def _predicted(
    outputs: Mapping[str, Sequence[Output]], config: LabelsConfig, seed: int, add: AddLabelSet
) -> Iterator[pa.Table]:
    """The tables of each maker, and of what they say together; label sets of classes are given to `add` too."""
    found: dict[str, Output] = {output.inputs["maker"]: output for output in outputs[Part.PREDICTIONS]}
    if not found:
        return
    first = next(iter(found.values())).read(PREDICTIONS, ["sample_id", "round"])
    sample_ids = whole(first.filter(pc.equal(first["round"], 0))["sample_id"])
    given = outputs[Part.GIVEN_LABELS][0].read(LABELS)
    if not has_classes(given):
        for name, output in found.items():
            for label_set in _without_labels(name, output, sample_ids, config):
                names = output.inputs["classes"]
                if name == "zero_shot":
                    add(label_set, sample_ids, names)
                yield label_set.rows(sample_ids, names, config.top_k)
        return
    classes = class_names(given, config.named_classes)
    labels = pool_labels(sample_ids, given, classes)
    weights, keys = pool_weights(sample_ids, given), _keys(sample_ids)
    deciding = _Deciding(config, labels, weights, keys, _belonging(outputs, config))
    for label_set in _label_sets(found, deciding, _rule(config, classes, seed)):
        answers = config.answers(classes)
        add(_of_all(label_set, len(answers)), sample_ids, answers)
        yield label_set.rows(sample_ids, answers, config.top_k)


def _of_all(label_set: LabelSet, n_labels: int) -> LabelSet:
    """The label set with probabilities and shares of 0 for the labels that no training sample has."""
    prior = label_set.prior
    return replace(
        label_set,
        probabilities=widened(label_set.probabilities, n_labels),
        prior=None if prior is None else np.pad(prior, (0, n_labels - len(prior))),
    )


def _without_labels(name: str, output: Output, sample_ids: pa.Array, config: LabelsConfig) -> Iterator[LabelSet]:
    listed = read_listed_rounds(output)[-1]
    probabilities = listed if listed.n_classes > MOST_CLASSES else listed.dense()
    label = first_class(probabilities)
    evidence = Evidence(np.full(len(label), -1), keys=_keys(sample_ids), votes=label[:, None])
    decision = decide(probabilities, config.policy.chosen(), evidence=evidence)
    label_set = LabelSet(name, f"{name}, {WITHOUT_CLASSES}", probabilities, decision, label)
    yield label_set
    if name == "zero_shot" and name in config.combine:
        yield replace(label_set, name=PSEUDO)
        yield replace(label_set, name=MOST_PROBABLE)


def _keys(sample_ids: pa.Array) -> Int64Array:
    return np.array([int(name[:16], 16) for name in sample_ids.to_pylist()], np.uint64)


def _rule(config: LabelsConfig, classes: Sequence[str], seed: int) -> CombineRule:
    from windrow.tasks.algorithms.labels.label_spreading import CombineRule
    from windrow.tasks.labels.label_distances import read_distances

    try:
        metric = None if config.distances is None else read_distances(Path(config.distances), config.answers(classes))
    except ValueError as error:
        raise ValueError(f"labels.distances: {error}") from None
    shares = given_shares(config.prior, classes)
    return CombineRule(config.combine_by, config.prior, shares, metric, config.n_folds, seed)


@dataclass(frozen=True)
class _Deciding:
    """What a decision looks at beside probabilities: labels (n,), -1 where there is none, keys and belonging (n,).

    weights: float32 (n,), what the given labels weigh; votes: (n, n_makers), what each of the combined makers finds
    most probable.
    """

    config: LabelsConfig
    labels: Int64Array
    weights: Float32Array
    keys: Int64Array
    belonging: Float32Array | None
    votes: Int64Array | None = None

    def decide(
        self,
        probabilities: Probabilities,
        held_out: Probabilities,
        predicted: Int64Array,
        held_out_label: Int64Array,
        confidence: Float32Array | None = None,
    ) -> Decision:
        """The policy's decision, without what seems to be of no class."""
        from windrow.tasks.algorithms.labels.deciding.belonging import refuse

        refused = None
        if self.belonging is not None:
            refused = np.asarray(self.belonging <= np.float32(self.config.least_belonging))
        evidence = Evidence(self.labels, held_out, held_out_label, self.keys, self.votes, refused)
        decision = decide(probabilities, self.config.policy.chosen(), predicted, evidence, confidence)
        decision = replace(decision, weight=np.where(self.labels >= 0, self.weights, decision.weight))
        return decision if self.belonging is None else refuse(decision, self.belonging, self.config.least_belonging)

    def label_set(self, name: str, method: str, probabilities: Probabilities, held_out: Probabilities) -> LabelSet:
        """The label set of a maker alone, where its most probable class is the label."""
        shares = of_labels(probabilities, self.labels)
        label, apart = first_class(shares), first_class(held_out)
        return LabelSet(name, method, shares, self.decide(shares, held_out, label, apart), label)


def _label_sets(found: Mapping[str, Output], deciding: _Deciding, rule: CombineRule) -> Iterator[LabelSet]:
    from windrow.tasks.algorithms.labels.many_classes.calibrated_rows import tempered
    from windrow.tasks.algorithms.labels.many_classes.combined_rows import votes_of

    spread, rounds = _spread(found, deciding, rule)
    deciding = replace(deciding, votes=votes_of([spread.makers[name] for name in deciding.config.combine]))
    for name, temperature in spread.temperatures.items():
        how, held_out = f"{name}, temperature {temperature:.3f}", spread.held_out[name]
        *earlier, _ = rounds[name]
        for number, each in enumerate(earlier):
            found_then = deciding.label_set(f"{name}_{number}", how, tempered(each, temperature), held_out)
            yield replace(found_then, number=number, temperature=temperature)
        found_last = deciding.label_set(name, how, spread.makers[name], held_out)
        yield replace(found_last, number=len(earlier), temperature=temperature)
    yield from _together(spread, deciding, rule)


def _spread(
    found: Mapping[str, Output], deciding: _Deciding, rule: CombineRule
) -> tuple[SpreadLabels, dict[str, list[Probabilities]]]:
    """What makers say together, and the rounds of each; of many classes what each sample lists, where the rule can."""
    from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, combine_predictions
    from windrow.tasks.algorithms.labels.many_classes.spread_rows import ListedPredictions, can_list, combine_listed

    labels, combine = deciding.labels, deciding.config.combine
    if len(next(iter(found.values())).inputs["classes"]) > MOST_CLASSES and can_list(rule):
        listed: dict[str, list[Probabilities]] = {}
        few = {}
        for name, output in found.items():
            rounds = read_listed_rounds(output)
            few[name] = ListedPredictions(rounds[-1], read_listed_held_out(output))
            listed[name] = [*rounds]
        return combine_listed(few, labels, combine, rule), listed
    dense = {name: read_rounds(output) for name, output in found.items()}
    made = {name: MakerPredictions(dense[name][-1], read_held_out(output)) for name, output in found.items()}
    return combine_predictions(made, labels, combine, rule), {name: [*rounds] for name, rounds in dense.items()}


def _together(spread: SpreadLabels, deciding: _Deciding, rule: CombineRule) -> Iterator[LabelSet]:
    """The label that serves rare classes best, and the one that is right most often: the same probabilities."""
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in spread.weights.items())
    prior = {"none": "not calibrated"}.get(rule.prior.method, f"calibrated by class, shares {rule.prior.method}")
    method = f"{rule.by} of {weights}; {prior}; given labels stand"
    n_labels = spread.confidence.shape[1] if rule.metric is None else len(rule.metric.distances)
    probabilities, held_out, pool = (
        widened(each, n_labels) for each in (spread.confidence, spread.corrected.held_out, spread.corrected.pool)
    )
    answers = {
        PSEUDO: (method, spread.label, spread.held_out_label),
        MOST_PROBABLE: (f"{method}; the most probable class", spread.most_probable, first_class(held_out)),
    }
    conformal = deciding.config.conformal
    for name, (how, label, held_out_label) in answers.items():
        sure = None if rule.metric is None else confidence_of(spread.confidence, label, rule.metric)
        decision = deciding.decide(probabilities, held_out, label, held_out_label, sure)
        possible = None
        if conformal is not None:
            possible = possible_classes(held_out, deciding.labels, pool, conformal, label)
        said = LabelSet(name, how, probabilities, decision, label, agreement=spread.agreement, possible=possible)
        yield replace(said, prior=spread.corrected.prior)
