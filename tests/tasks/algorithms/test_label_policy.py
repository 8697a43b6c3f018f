import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.label_policy import (
    LabelPolicyConfig,
    class_wise_thresholds,
    coverage_accuracy_curve,
    decide,
)

FEW = settings(max_examples=30, deadline=None)


def distributions(seed, n=60, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n).astype(np.float32)


def two_class(*first):
    return np.array([[p, 1 - p] for p in first], dtype=np.float32)


def test_without_a_policy_every_sample_gets_its_most_probable_class():
    decision = decide(two_class(0.9, 0.5, 0.2), LabelPolicyConfig("none"))
    assert decision.label.tolist() == [0, 0, 1]
    assert not decision.abstained.any()
    np.testing.assert_allclose(decision.confidence, [0.9, 0.5, 0.8], atol=1e-6)
    assert (decision.label.dtype, decision.confidence.dtype) == (np.int64, np.float32)


def test_a_fixed_threshold_abstains_below_it_and_not_at_it():
    decision = decide(two_class(0.95, 0.94, 0.04), LabelPolicyConfig("fixed", threshold=0.95))
    assert decision.label.tolist() == [0, -1, 1]
    assert decision.abstained.tolist() == [False, True, False]


def test_class_wise_thresholds_by_hand():
    # Four confident predictions of class 0, two of class 1, none of class 2: status 1, 1/2 and 0.
    sure = [[0.98, 0.01, 0.01]] * 4 + [[0.01, 0.98, 0.01]] * 2 + [[0.2, 0.2, 0.6]]
    thresholds = class_wise_thresholds(np.array(sure, dtype=np.float32), 0.9, 0.0)
    np.testing.assert_allclose(thresholds, [0.9, 0.9 * 0.5 / 1.5, 0.0])
    np.testing.assert_allclose(class_wise_thresholds(np.array(sure, dtype=np.float32), 0.9, 0.5), [0.9, 0.5, 0.5])


def test_where_nothing_is_confident_no_class_is_treated_more_gently():
    unsure = two_class(0.6, 0.4)
    assert class_wise_thresholds(unsure, 0.9, 0.1).tolist() == [0.9, 0.9]
    assert decide(unsure, LabelPolicyConfig("class-wise", 0.9, 0.1)).abstained.all()
    assert class_wise_thresholds(np.empty((0, 2), np.float32), 0.9, 0.1).tolist() == [0.9, 0.9]


@FEW
@given(st.integers(0, 10_000), st.floats(0.3, 1), st.floats(0, 0.3))
def test_class_wise_labels_all_that_the_fixed_threshold_does_and_nothing_below_the_floor(seed, threshold, floor):
    probabilities = distributions(seed)
    class_wise = decide(probabilities, LabelPolicyConfig("class-wise", threshold, floor))
    fixed = decide(probabilities, LabelPolicyConfig("fixed", threshold))
    assert not np.any(class_wise.abstained & ~fixed.abstained)
    assert np.all(class_wise.confidence[~class_wise.abstained] >= np.float32(floor))
    np.testing.assert_array_equal(class_wise.label == -1, class_wise.abstained)


@FEW
@given(st.integers(0, 10_000), st.sampled_from(["none", "fixed", "class-wise"]))
def test_permuting_the_pool_permutes_the_decision(seed, policy):
    probabilities, order = distributions(seed), np.random.default_rng(seed).permutation(60)
    config = LabelPolicyConfig(policy, 0.8, 0.4)
    np.testing.assert_array_equal(
        decide(probabilities[order], config).label, decide(probabilities, config).label[order]
    )


def test_the_coverage_curve_takes_equal_confidences_together():
    curve = coverage_accuracy_curve(np.array([0.5, 0.9, 0.5, 0.7]), np.array([True, True, False, False]))
    np.testing.assert_allclose(curve.threshold, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 1])
    np.testing.assert_allclose(curve.accuracy, [1, 0.5, 0.5])
    assert coverage_accuracy_curve(np.array([]), np.array([], dtype=bool)).coverage.size == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LabelPolicyConfig("maybe"), "policy must be 'none', 'fixed' or 'class-wise', got 'maybe'"),
        (lambda: LabelPolicyConfig(threshold=1.5), "threshold must be from 0 to 1, got 1.5"),
        (
            lambda: LabelPolicyConfig("class-wise", threshold=0.3, floor=0.4),
            "floor must be from 0 to the threshold 0.3, got 0.4",
        ),
        (lambda: decide(np.zeros(3, np.float32), LabelPolicyConfig()), "probabilities must have shape"),
        (lambda: coverage_accuracy_curve(np.zeros(2), np.zeros(1, bool)), "one shape"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
