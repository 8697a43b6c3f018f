"""Where the classes' shares come from, and what they make of probabilities."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig, apply_prior, check_shares, given_shares
from windrow.tasks.algorithms.labels.combining.label_shift import bbse_prior, em_prior, shift_prior
from windrow.tasks.algorithms.labels.combining.prior_correction import correct_prior
from windrow.tasks.algorithms.labels.pool_statistics import mean_prediction

FEW = settings(max_examples=10, deadline=None)
METHODS = ["estimated", "em", "bbse", "labels", "uniform", "given", "none"]
SHARES = np.array([0.7, 0.2, 0.1])


def skewed(seed, n=300, n_labelled=30):
    """A pool of classes with shares 0.7, 0.2, 0.1 and labels class by class: held_out, labels, probabilities."""
    rng = np.random.default_rng(seed)
    truth = np.sort(rng.choice(3, size=n, p=SHARES))
    truth[:3] = np.arange(3)
    points = np.eye(3)[truth] * 2 + rng.standard_normal((n, 3)) * 0.9
    scores = np.exp(-((points[:, None] - 2 * np.eye(3)) ** 2).sum(axis=2) / (2 * 0.9**2))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    labels = np.full(n, -1)
    for label in range(3):
        rows = np.flatnonzero(truth == label)[: n_labelled // 3]
        labels[rows] = label
    return probabilities[labels >= 0], labels, probabilities


def apply(seed, **settings):
    held_out, labels, pool = skewed(seed)
    shares = SHARES if settings["method"] == "given" else None
    if settings["method"] == "given":
        settings["shares"] = {"a": 7, "b": 2, "c": 1}
    return labels, apply_prior(held_out, labels, pool, PriorConfig(**settings), shares)


def test_the_default_is_the_correction_that_there_was_to_the_bit():
    held_out, labels, pool = skewed(0)
    before, now = correct_prior(held_out, labels, pool), apply_prior(held_out, labels, pool)
    for name in ("even", "pool", "prior"):
        np.testing.assert_array_equal(getattr(now, name), getattr(before, name))


@FEW
@given(st.integers(0, 1000), st.sampled_from(METHODS), st.sampled_from(["shift", "alignment"]))
def test_rows_sum_to_one_and_labels_held_out_are_treated_as_the_pool_is(seed, method, use):
    labels, found = apply(seed, method=method, use="shift" if method == "none" else use)
    for each in (found.even, found.pool, found.held_out_even, found.held_out):
        assert each.dtype == np.float32
        np.testing.assert_allclose(each.sum(axis=1), 1, atol=1e-5)
    # In this pool what is held out is just what the pool's rows say: so must it be after the correction.
    np.testing.assert_array_equal(found.held_out, found.pool[labels >= 0])
    np.testing.assert_array_equal(found.held_out_even, found.even[labels >= 0])


@pytest.mark.parametrize("method", ["em", "bbse", "estimated"])
def test_a_skewed_pool_is_found_to_be_skewed(method):
    _, found = apply(3, method=method)
    assert np.abs(found.prior - SHARES).max() < 0.12


def test_each_method_is_the_function_of_its_name():
    held_out, labels, pool = skewed(1)
    even = correct_prior(held_out, labels, pool).even
    equal = np.full(3, 1 / 3)
    em = apply_prior(held_out, labels, pool, PriorConfig("em"))
    np.testing.assert_array_equal(em.prior, em_prior(even[labels < 0], equal))
    np.testing.assert_array_equal(em.pool, shift_prior(even, equal, em.prior))
    bbse = apply_prior(held_out, labels, pool, PriorConfig("bbse"))
    np.testing.assert_array_equal(bbse.prior, bbse_prior(even[labels >= 0], labels[labels >= 0], even[labels < 0]))
    uniform = apply_prior(held_out, labels, pool, PriorConfig("uniform"))
    np.testing.assert_allclose(uniform.pool, uniform.even, atol=1e-6)
    np.testing.assert_allclose(apply_prior(held_out, labels, pool, PriorConfig("labels")).prior, equal)
    untouched = apply_prior(held_out, labels, pool, PriorConfig("none"))
    assert untouched.pool is pool and untouched.held_out is held_out and untouched.prior is None


def test_alignment_gives_the_unlabelled_just_the_shares_that_were_given():
    labels, found = apply(2, method="given", use="alignment")
    np.testing.assert_allclose(mean_prediction(found.pool[labels < 0]), SHARES, atol=2e-4)
    _, shifted = apply(2, method="given")
    assert np.abs(mean_prediction(shifted.pool[labels < 0]) - SHARES).max() > 1e-3


def test_a_pool_that_is_all_labelled_or_has_a_class_without_labels_keeps_to_the_known_classes():
    held_out, labels, pool = skewed(4)
    for method in METHODS[:5]:
        two = np.where(labels == 2, -1, labels)
        found = apply_prior(held_out[labels[labels >= 0] != 2], two, pool, PriorConfig(method))
        assert found.prior[2] == 0 and not found.pool[:, 2].any()
        everything = apply_prior(pool, pool.argmax(axis=1), pool, PriorConfig(method))
        assert everything.prior.sum() == pytest.approx(1)
    config = PriorConfig("given", {"a": 7, "b": 2, "c": 1})
    two = np.where(labels == 2, -1, labels)
    found = apply_prior(held_out[labels[labels >= 0] != 2], two, pool, config, SHARES)
    np.testing.assert_allclose(found.prior, [7 / 9, 2 / 9, 0])


def test_shares_are_read_by_the_names_of_classes_and_numbers_are_names_too():
    config = PriorConfig("given", {10: 3, "cat": 1})
    np.testing.assert_allclose(given_shares(config, ["cat", "10"]), [0.25, 0.75])
    assert given_shares(PriorConfig(), ["cat"]) is None
    np.testing.assert_allclose(given_shares(config, ["cat"]), [1])
    assert json.loads(json.dumps(asdict(config), sort_keys=True))["shares"] == {"10": 3, "cat": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PriorConfig("guess"), "method: wants one of 'estimated', .*, got 'guess'"),
        (lambda: PriorConfig(use="x"), "use: wants one of 'shift', 'alignment', got 'x'"),
        (lambda: PriorConfig("given"), "shares: go with method 'given', got method 'given' and {}"),
        (lambda: PriorConfig("em", {"a": 1}), "shares: go with method 'given', got method 'em'"),
        (lambda: PriorConfig("given", {"a": -1.0}), "shares.a: wants 0 or more, got -1.0"),
        (lambda: PriorConfig("given", {"a": float("nan")}), "shares.a: wants 0 or more, got nan"),
        (lambda: PriorConfig("given", {"a": 0}), "not all 0, got {'a': 0}"),
        (lambda: PriorConfig("none", use="alignment"), "nothing to align to"),
        (
            lambda: given_shares(PriorConfig("given", {"a": 1}), ["a", "b"]),
            "no share for class 'b'; the classes are a, b",
        ),
        (lambda: check_shares(PriorConfig("given", {"a": 1, "c": 1}), ["a"]), "there is no class 'c'"),
        (lambda: apply_prior(*skewed(0), PriorConfig("given", {"a": 1})), "shares go with the method 'given'"),
        (lambda: apply_prior(*skewed(0), PriorConfig("given", {"a": 1}), np.ones(3)), "shares must be 3 numbers"),
    ],
)
def test_a_bad_call_names_the_field(call, message):
    with pytest.raises(ValueError, match=message):
        call()
