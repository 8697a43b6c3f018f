import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from windrow.tasks.algorithms.labels.label_audit import (
    accuracy_interval,
    audit_sample,
    coverage_accuracy_curve,
    stratified_interval,
)

FEW = settings(max_examples=30, deadline=None)


def test_the_coverage_curve_takes_equal_confidences_together():
    curve = coverage_accuracy_curve(np.array([0.5, 0.9, 0.5, 0.7]), np.array([True, True, False, False]))
    np.testing.assert_allclose(curve.threshold, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 1])
    np.testing.assert_allclose(curve.accuracy, [1, 0.5, 0.5])
    assert coverage_accuracy_curve(np.array([]), np.array([], dtype=bool)).coverage.size == 0


@FEW
@given(st.integers(0, 10_000), st.integers(5, 60))
def test_the_same_samples_are_drawn_whatever_the_order_of_the_pool(seed, n_checks):
    rng = np.random.default_rng(seed)
    keys, strata = rng.choice(10**9, size=60, replace=False), rng.integers(5, size=60)
    order = rng.permutation(60)
    rows = audit_sample(keys, n_checks, strata, seed)
    permuted = audit_sample(keys[order], n_checks, strata[order], seed)
    assert sorted(keys[rows]) == sorted(keys[order][permuted])
    assert len(rows) == n_checks and np.all(np.diff(rows) > 0)
    sizes, checked = np.bincount(strata, minlength=5), np.bincount(strata[rows], minlength=5)
    assert np.all(checked[sizes > 0] >= 1) and np.all(checked <= sizes)


def test_strata_are_checked_by_size_and_minus_one_is_left_out():
    strata = np.repeat([0, 1, 2, -1], [600, 300, 100, 500])
    rows = audit_sample(np.arange(1500), 103, strata)
    assert np.bincount(strata[rows]).tolist() == [61, 31, 11] and rows.max() < 1000
    assert np.bincount(strata[audit_sample(np.arange(1500), 3, strata)]).tolist() == [1, 1, 1]
    assert len(audit_sample(np.arange(1500), 1000, strata)) == 1000


def test_every_sample_is_as_likely_to_be_checked():
    drawn = np.concatenate([audit_sample(np.arange(20), 5, seed=seed) for seed in range(4000)])
    np.testing.assert_allclose(np.bincount(drawn) / 4000, 0.25, atol=0.03)


def test_a_growing_audit_keeps_what_was_checked():
    keys = np.arange(500)
    assert set(audit_sample(keys, 50)) < set(audit_sample(keys, 80))


def test_clopper_pearson_at_the_ends_and_in_the_middle():
    nothing = accuracy_interval(0, 10)
    assert nothing.low == 0 and nothing.high == pytest.approx(1 - 0.025 ** (1 / 10))
    everything = accuracy_interval(10, 10)
    assert everything.high == 1 and everything.low == pytest.approx(0.025 ** (1 / 10))
    middle = accuracy_interval(7, 10, 0.9)
    assert binom.sf(6, 10, middle.low) == pytest.approx(0.05) == binom.cdf(7, 10, middle.high)


@FEW
@given(st.integers(1, 80), st.floats(0.01, 0.99))
def test_the_interval_holds_the_truth_as_often_as_it_says(n, accuracy):
    held = [accuracy_interval(k, n).low <= accuracy <= accuracy_interval(k, n).high for k in range(n + 1)]
    assert binom.pmf(np.arange(n + 1), n, accuracy)[held].sum() >= 0.95 - 1e-9


def test_in_proportion_the_stratified_interval_is_the_plain_one():
    correct = np.array([True] * 7 + [False] * 3)
    strata = np.array([0, 1] * 5)
    found = stratified_interval(correct, strata, np.array([50, 50]))
    plain = accuracy_interval(7, 10)
    assert found.estimate == pytest.approx(0.7)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), rel=0.2)
    one = stratified_interval(correct, np.zeros(10, int), np.array([500]))
    assert one.estimate == 0.7 and one.low <= plain.low + 1e-9 and one.high >= plain.high - 1e-9


def test_a_large_stratum_outweighs_its_checks():
    correct, strata = np.array([True] * 5 + [False] * 5), np.repeat([0, 1], 5)
    found = stratified_interval(correct, strata, np.array([900, 100]))
    assert found.estimate == pytest.approx(0.9)
    assert found.low < 0.9 < found.high


@pytest.mark.parametrize(("checks", "accuracies"), [((60, 30, 10), (0.95, 0.6, 0.2)), ((30, 30, 30), (0.9, 0.7, 0.4))])
def test_the_stratified_interval_holds_the_truth_as_often_as_it_says(checks, accuracies):
    rng, sizes = np.random.default_rng(0), np.array([6000, 3000, 1000])
    strata = np.repeat([0, 1, 2], checks)
    truth = (sizes / sizes.sum() * accuracies).sum()
    held = 0
    for _ in range(400):
        found = stratified_interval(rng.random(len(strata)) < np.array(accuracies)[strata], strata, sizes)
        held += found.low <= truth <= found.high
    assert held / 400 > 0.93


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coverage_accuracy_curve(np.zeros(2), np.zeros(1, bool)), "one shape"),
        (lambda: audit_sample(np.arange(3), 4), r"n_checks must be from 1 \(one a stratum\) to 3, got 4"),
        (lambda: audit_sample(np.arange(3), 1, np.array([0, 1, 2])), "n_checks must be from 3"),
        (lambda: audit_sample(np.arange(3), 1, np.zeros(2, int)), "strata must have one entry for each of the 3 keys"),
        (lambda: accuracy_interval(3, 2), "n_right must be from 0 to n_checked"),
        (lambda: accuracy_interval(1, 2, 1.0), "level must be between 0 and 1"),
        (lambda: stratified_interval(np.ones(2, bool), np.zeros(3, int), np.ones(1)), "one shape"),
        (
            lambda: stratified_interval(np.ones(2, bool), np.zeros(2, int), np.array([5, 5])),
            r"strata must check each stratum of sizes \[5, 5\], got \[2, 0\] checks",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
