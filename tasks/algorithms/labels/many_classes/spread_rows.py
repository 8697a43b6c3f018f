"""Makers' predictions of many classes weighed and made honest: `combine_predictions` of rows that list some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.cautious_temperature import MANY, cautious_temperature
from windrow.tasks.algorithms.labels.combining.combination import PRIOR
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig, PriorCorrection, among, equal_shares
from windrow.tasks.algorithms.labels.combining.label_shift import label_shares
from windrow.tasks.algorithms.labels.label_spreading import CombineRule, SpreadLabels
from windrow.tasks.algorithms.labels.many_classes.calibrated_rows import (
    apply_scaling,
    apply_temperature,
    fit_scaling,
    fit_temperature,
)
from windrow.tasks.algorithms.labels.many_classes.combined_rows import agreement, geometric_mean, maker_weights
from windrow.tasks.algorithms.labels.many_classes.pool_shares import em_prior, shares_trust, shift_prior
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities, first_class, of_labels


@dataclass(frozen=True)
class ListedPredictions:
    """`MakerPredictions` that list the most probable classes: of every sample, and of the m labelled ones."""

    pool: SparseProbabilities
    held_out: SparseProbabilities


def can_list(rule: CombineRule) -> bool:
    """Say whether predictions can be combined by this rule without samples x classes."""
    plain = rule.metric is None and rule.by in ("weighted", "equal")
    return plain and rule.prior.method != "bbse" and rule.prior.use == "shift"


def combine_listed(
    predictions: Mapping[str, ListedPredictions],
    labels: Int64Array,
    combine: Sequence[str],
    rule: CombineRule | None = None,
) -> SpreadLabels:
    """`combine_predictions` of listed predictions, step by step, by a rule that `can_list` says yes to.

    What a row does not list has equal shares of the rest: the makers' mean and the priors count it so, and the
    calibration by class gives it the temperature that all classes share.
    """
    rule = rule or CombineRule()
    if not can_list(rule):
        raise ValueError(f"rule: wants what can_list says yes to, got {rule}")
    known = labels[labels >= 0]
    temperatures = {name: fit_temperature(each.held_out, known) for name, each in predictions.items()}
    held_out = {name: apply_temperature(predictions[name].held_out, temperatures[name]) for name in predictions}
    pool = {name: apply_temperature(predictions[name].pool, temperatures[name]) for name in predictions}
    k = max(each.classes.shape[1] for each in pool.values())
    apart, said = ([each[name] for name in combine] for each in (held_out, pool))
    weights = [1.0 / len(combine)] * len(combine)
    if rule.by == "weighted":
        weights = maker_weights(apart, known, [PRIOR.get(name, 1.0) for name in combine]).tolist()
    held_out_together, together = geometric_mean(apart, weights, k), geometric_mean(said, weights, k)
    agreed = agreement(pool, combine, together.classes[:, 0].astype(np.int64))
    softer = _caution({name: predictions[name].held_out for name in combine}, known, rule)
    corrected = _corrected(held_out_together, labels, together, rule, softer)
    confidence = of_labels(corrected.pool, labels)
    label = np.where(labels >= 0, labels, first_class(corrected.even))
    corrected = replace(corrected, even=confidence, pool=confidence)
    return SpreadLabels(
        pool,
        held_out,
        temperatures,
        dict(zip(combine, weights, strict=True)),
        confidence,
        label,
        agreed,
        corrected,
        first_class(corrected.held_out_even),
    )


def _caution(raw: Mapping[str, SparseProbabilities], known: Int64Array, rule: CombineRule) -> float:
    """`cautious_temperature`, which looks at fewer than MANY labels only, and so at few classes."""
    if len(known) >= MANY:
        return 1.0
    dense = {name: each.dense() for name, each in raw.items()}
    return cautious_temperature(dense, known, next(iter(raw.values())).n_classes, rule.by, rule.seed)


def _corrected(
    held_out: SparseProbabilities, labels: Int64Array, pool: SparseProbabilities, rule: CombineRule, softer: float
) -> PriorCorrection:
    """`apply_prior`."""
    if rule.prior.method == "none":
        return PriorCorrection(pool, pool, held_out, held_out, None)
    known, n_classes = labels[labels >= 0], pool.n_classes
    counts = np.bincount(known, minlength=n_classes)
    balance = np.divide(1.0, counts, out=np.zeros(n_classes), where=counts > 0)
    scaling = fit_scaling(held_out, known, balance)
    even = apply_scaling(pool, scaling)
    prior = _shares(held_out, labels, pool, even, rule, balance)
    if softer != 1:
        scaling = scaling.softer(softer)
        even = apply_scaling(pool, scaling)
    equal, held_out_even = equal_shares(labels, n_classes), apply_scaling(held_out, scaling)
    brought = (shift_prior(each, equal, prior) for each in (even, held_out_even))
    return PriorCorrection(even, next(brought), held_out_even, next(brought), prior)


def _shares(
    held_out: SparseProbabilities,
    labels: Int64Array,
    pool: SparseProbabilities,
    even: SparseProbabilities,
    rule: CombineRule,
    balance: Float64Array,
) -> Float64Array:
    config: PriorConfig = rule.prior
    equal, is_open = equal_shares(labels, pool.n_classes), np.asarray(labels < 0)
    if config.method == "given" and rule.shares is not None:
        return among(rule.shares, equal)
    if config.method == "labels":
        return label_shares(labels, pool.n_classes)
    if config.method == "uniform" or not is_open.any():
        return equal
    estimate = em_prior(even.take(is_open), equal)
    return estimate if config.method == "em" else _drawn_in(estimate, equal, held_out, labels, pool, is_open, balance)


def _drawn_in(
    estimate: Float64Array,
    equal: Float64Array,
    held_out: SparseProbabilities,
    labels: Int64Array,
    pool: SparseProbabilities,
    is_open: BoolArray,
    balance: Float64Array,
) -> Float64Array:
    trust = shares_trust(estimate, equal, held_out, labels[labels >= 0], pool.take(is_open), balance)
    return np.asarray(equal + trust * (estimate - equal))
