"""What is fitted on rows that list all of their classes is as of dense ones; of rows that list some, it is near."""

from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.combining import calibration, label_shift
from windrow.tasks.algorithms.labels.combining import maker_weights as dense_weights
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling
from windrow.tasks.algorithms.labels.deciding.class_wise import ClassWise
from windrow.tasks.algorithms.labels.deciding.exclude import Exclude
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig, possible_classes
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.deciding.reliable import Reliable
from windrow.tasks.algorithms.labels.deciding.self_adaptive import SelfAdaptive
from windrow.tasks.algorithms.labels.label_spreading import CombineRule, MakerPredictions, combine_predictions
from windrow.tasks.algorithms.labels.many_classes import calibrated_rows, combined_rows, pool_shares
from windrow.tasks.algorithms.labels.many_classes.spread_rows import ListedPredictions, combine_listed
from windrow.tasks.algorithms.labels.probabilities import ensemble
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

N_CLASSES = 7


@pytest.fixture
def said():
    """Three makers' probabilities of 60 labels, which are a little right, and the labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(N_CLASSES, size=60)
    logits = rng.standard_normal((3, 60, N_CLASSES)) + 2 * np.eye(N_CLASSES)[labels]
    shares = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32)
    return shares, [SparseProbabilities.of(each, N_CLASSES) for each in shares], labels


def test_a_temperature_is_that_of_dense_rows(said):
    dense, listed, labels = said
    temperature = calibrated_rows.fit_temperature(listed[0], labels)
    assert temperature == pytest.approx(calibration.fit_temperature(dense[0], labels), rel=1e-4)
    found = calibrated_rows.apply_temperature(listed[0], temperature).dense()
    np.testing.assert_allclose(found, calibration.apply_temperature(dense[0], temperature), atol=1e-6)


def test_a_scaling_by_class_is_that_of_dense_rows(said):
    dense, listed, labels = said
    weights = 1.0 / np.bincount(labels)
    scaling = calibrated_rows.fit_scaling(listed[0], labels, weights)
    expected = fit_vector_scaling(dense[0], labels, class_weights=weights)
    np.testing.assert_allclose(scaling.scale, expected.scale, rtol=1e-3)
    np.testing.assert_allclose(scaling.bias, expected.bias, atol=1e-3)
    found = calibrated_rows.apply_scaling(listed[0], scaling)
    np.testing.assert_allclose(found.dense(), apply_vector_scaling(dense[0], expected), atol=1e-3)
    assert (np.diff(found.probabilities, axis=1) <= 0).all()


def test_makers_weigh_and_say_together_what_dense_ones_do(said):
    dense, listed, labels = said
    weights = combined_rows.maker_weights(listed, labels, [2.0, 1.0, 1.0])
    np.testing.assert_allclose(weights, dense_weights.maker_weights(list(dense), labels, prior=[2, 1, 1]), atol=1e-4)
    found = combined_rows.geometric_mean(listed, list(weights), N_CLASSES).dense()
    np.testing.assert_allclose(found, ensemble(list(dense), list(weights), "geometric"), atol=1e-5)


def test_the_shares_of_classes_are_those_of_dense_rows(said):
    dense, listed, _ = said
    equal = np.full(N_CLASSES, 1 / N_CLASSES)
    shares = pool_shares.em_prior(listed[0], equal)
    np.testing.assert_allclose(shares, label_shift.em_prior(dense[0], equal), atol=1e-5)
    found = pool_shares.shift_prior(listed[0], equal, shares).dense()
    np.testing.assert_allclose(found, label_shift.shift_prior(dense[0], equal, shares), atol=1e-5)


@pytest.fixture(scope="module")
def predictions(many):
    from windrow.tasks.algorithms.labels.folds import cross_fit
    from windrow.tasks.algorithms.labels.makers.label_propagation import LabelPropagation
    from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes

    rows, found = np.arange(len(many.labels)), {}
    for name, maker in (("propagation", LabelPropagation()), ("prototypes", Prototypes())):
        predict = maker.fit(many.pool)
        held_out = cross_fit(predict, many.labels, many.pool.n_classes, 2)
        found[name] = MakerPredictions(predict(many.labels, rows), held_out)
    return found


@pytest.mark.parametrize("method", ["estimated", "labels", "none"])
def test_labels_of_many_classes_are_those_of_all_classes(many, predictions, method):
    rule = CombineRule(prior=PriorConfig(method))
    top = {
        name: ListedPredictions(SparseProbabilities.of(each.pool, 32), SparseProbabilities.of(each.held_out, 32))
        for name, each in predictions.items()
    }
    stored = {name: MakerPredictions(each.pool.dense(), each.held_out.dense()) for name, each in top.items()}
    listed = combine_listed(top, many.labels, list(top), rule)
    dense = combine_predictions(stored, many.labels, list(top), rule)
    second, first = np.sort(dense.corrected.even, axis=1)[:, -2:].T
    clear = first - second > 0.02
    assert clear.mean() > 0.2
    np.testing.assert_array_equal(listed.label[clear], dense.label[clear])
    apart = np.abs(listed.confidence.dense() - dense.confidence)
    assert apart.max() < 0.1 and apart.max(axis=1).mean() < 0.01
    assert listed.weights == pytest.approx(dense.weights, abs=0.02)
    np.testing.assert_array_equal(listed.label[many.labels >= 0], many.labels[many.labels >= 0])


@pytest.mark.parametrize("policy", [ClassWise(0.3, 0.1), SelfAdaptive(0.1), Exclude(0.5), Reliable(0.9)])
def test_policies_decide_alike_of_rows_that_list_all(said, policy):
    dense, listed, _ = said
    evidence = Evidence(np.full(60, -1), keys=np.arange(60))
    one, other = decide(dense[0], policy, evidence=evidence), decide(listed[0], policy, evidence=evidence)
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-6)


def test_possible_classes_are_alike_of_rows_that_list_all(said):
    dense, listed, labels = said
    given = np.where(np.arange(60) < 40, labels, -1)
    config = ConformalConfig(by_class=False)
    one = possible_classes(dense[0][:40], given, dense[1], config)
    other = possible_classes(listed[0].take(slice(40)), given, listed[1], config)
    np.testing.assert_array_equal(one.classes, other.classes)
