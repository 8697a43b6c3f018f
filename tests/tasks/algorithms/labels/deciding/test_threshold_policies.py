import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.class_wise import ClassWise, class_wise_thresholds
from windrow.tasks.algorithms.labels.deciding.everything import Everything
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import decide
from windrow.tasks.algorithms.labels.deciding.self_adaptive import SelfAdaptive, self_adaptive_thresholds
from windrow.tasks.algorithms.labels.deciding.soft import Soft
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig

FEW = settings(max_examples=30, deadline=None)


def distributions(seed, n=60, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n).astype(np.float32)


def two_class(*first):
    return np.array([[p, 1 - p] for p in first], dtype=np.float32)


def test_without_a_policy_every_sample_gets_its_most_probable_class():
    decision = decide(two_class(0.9, 0.5, 0.2), Everything())
    assert decision.label.tolist() == [0, 0, 1]
    assert not decision.abstained.any()
    np.testing.assert_allclose(decision.confidence, [0.9, 0.5, 0.8], atol=1e-6)
    assert (decision.label.dtype, decision.confidence.dtype) == (np.int64, np.float32)


def test_a_fixed_threshold_abstains_below_it_and_not_at_it():
    decision = decide(two_class(0.95, 0.94, 0.04), Fixed(0.95))
    assert decision.label.tolist() == [0, -1, 1]
    assert decision.abstained.tolist() == [False, True, False]


def test_where_nothing_is_confident_no_class_is_treated_more_gently():
    assert decide(two_class(0.6, 0.4), ClassWise(0.9, 0.1)).abstained.all()


@FEW
@given(st.integers(0, 10_000), st.floats(0.3, 1), st.floats(0, 0.3))
def test_class_wise_labels_all_that_the_fixed_threshold_does_and_nothing_below_the_floor(seed, threshold, floor):
    probabilities = distributions(seed)
    class_wise = decide(probabilities, ClassWise(threshold, floor))
    fixed = decide(probabilities, Fixed(threshold))
    assert not np.any(class_wise.abstained & ~fixed.abstained)
    assert np.all(class_wise.confidence[~class_wise.abstained] >= np.float32(floor))
    np.testing.assert_array_equal(class_wise.label == -1, class_wise.abstained)


def test_the_soft_policy_labels_all_and_weighs_the_unsure_less():
    decision = decide(two_class(0.9, 0.8, 0.6), Soft())
    assert decision.label.tolist() == [0, 0, 0] and not decision.abstained.any()
    assert decision.weight[:2].tolist() == [1, 1] and 0 < decision.weight[2] < 1
    fixed = decide(two_class(0.9, 0.6), Fixed())
    assert fixed.weight.tolist() == [1, 0] and fixed.weight.dtype == np.float32


def test_other_classes_can_be_given_with_their_own_confidence():
    decision = decide(two_class(0.9, 0.9), Fixed(0.5), np.array([0, 1]))
    assert decision.label.tolist() == [0, -1]
    np.testing.assert_allclose(decision.confidence, [0.9, 0.1], atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_a_policy_abstains_just_below_its_class_threshold(seed):
    pool = distributions(seed)
    for policy, limits in (
        (ClassWise(0.8, 0.4), class_wise_thresholds(pool, 0.8, 0.4)),
        (SelfAdaptive(0.4), self_adaptive_thresholds(pool, 0.4)),
    ):
        decision, limit = decide(pool, policy), limits.astype(np.float32)[pool.argmax(axis=1)]
        np.testing.assert_array_equal(decision.abstained, decision.confidence < limit)
        np.testing.assert_array_equal(decision.weight == 0, decision.abstained)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LabelPolicyConfig("maybe"), "policy: wants one of 'none', 'fixed', 'class-wise', .*, got 'maybe'"),
        (lambda: LabelPolicyConfig(threshold=1.5), "threshold: wants 1 or less, got 1.5"),
        (lambda: LabelPolicyConfig(spread=0), "spread: wants more than 0, got 0"),
        (lambda: LabelPolicyConfig("class-wise", threshold=0.3), "floor: wants 0 to the threshold 0.3, got 0.5"),
        (lambda: ClassWise(threshold=0.3, floor=0.4), "floor: wants 0 to the threshold 0.3, got 0.4"),
        (lambda: LabelPolicyConfig("exclude", threshold=0), "threshold: wants more than 0 to exclude classes, got 0"),
        (lambda: decide(np.zeros(3, np.float32), Fixed()), "probabilities must have shape"),
        (lambda: decide(two_class(0.5), Fixed(), np.array([2])), "predicted must be 1 classes from 0 to 1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
