import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import holds
from scipy.stats import beta, kstest

from windrow.tasks.algorithms.labels.deciding.conformal import conformal_rank, fit_conformal, label_sets


def drawn(seed, n, n_classes=4, sharpness=0.7):
    """Probabilities and labels that they misjudge: any predictions will do."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(n_classes, sharpness), size=n)
    labels = (rng.random((n, 1)) > (0.5 * probabilities + 0.5 / n_classes).cumsum(axis=1)).sum(axis=1)
    return probabilities.astype(np.float32), np.minimum(labels, n_classes - 1)


def test_lac_by_hand():
    held_out = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]], np.float32)
    rule = fit_conformal(held_out, np.array([0, 0, 0, 1]), miss_rate=0.4)
    # Scores 0.1, 0.2, 0.4 and 0.7; place ceil(5 * 0.6) = 3: classes of probability 0.6 or more.
    np.testing.assert_allclose(rule.threshold, [0.4, 0.4], atol=1e-6)
    sets = label_sets(np.array([[0.7, 0.3], [0.5, 0.5], [0.1, 0.9]], np.float32), rule)
    assert sets.only().tolist() == [0, -1, 1] and sets.sizes.tolist() == [1, 0, 1]


def test_aps_adds_up_from_the_most_probable():
    held_out = np.array([[0.5, 0.3, 0.2]], np.float32)
    rule = fit_conformal(held_out, np.array([1]), 0.5, "aps")
    np.testing.assert_allclose(rule.threshold, 0.8, atol=1e-6)
    sets = label_sets(np.array([[0.2, 0.5, 0.3], [0.7, 0.05, 0.25]], np.float32), rule)
    assert [sets[0].tolist(), sets[1].tolist()] == [[1, 2], [0]]


@pytest.mark.parametrize("score", ["lac", "aps"])
@pytest.mark.parametrize("failure_rate", [None, 0.1])
def test_coverage_over_draws_of_the_labels_has_its_exact_beta_law(score, failure_rate):
    n, coverages = 60, []
    many, truth = drawn(10**6, 10_000)
    for seed in range(200):
        held_out, labels = drawn(seed, n)
        rule = fit_conformal(held_out, labels, 0.2, score, failure_rate=failure_rate)
        coverages.append(holds(label_sets(many, rule), truth).mean())
    rank = conformal_rank(n, 0.2, failure_rate)
    assert kstest(coverages, beta(rank, n + 1 - rank).cdf).pvalue > 0.001
    if failure_rate is None:
        assert abs(np.mean(coverages) - rank / (n + 1)) < 0.01
    else:
        assert np.mean(np.array(coverages) < 0.8) <= failure_rate + 0.04


def test_within_each_class_only_the_class_conditional_rule_keeps_the_promise():
    def shifted(seed, n, shares):
        rng = np.random.default_rng(seed)
        labels = rng.choice(3, size=n, p=shares)
        density = np.exp(-0.5 * (rng.standard_normal((n, 1)) + np.array([0, 1.0, 4.0])[labels, None] - [0, 1, 4]) ** 2)
        return (density / density.sum(axis=1, keepdims=True)).astype(np.float32), labels

    held_out, labels = shifted(0, 3000, np.full(3, 1 / 3))
    pool, truth = shifted(1, 20_000, [0.2, 0.79, 0.01])
    covered = {
        by_class: holds(label_sets(pool, fit_conformal(held_out, labels, 0.1, "lac", by_class)), truth)
        for by_class in (False, True)
    }
    assert covered[False].mean() < 0.87
    for label in range(3):
        assert abs(covered[True][truth == label].mean() - 0.9) < 0.06
    assert abs(covered[True].mean() - 0.9) < 0.02


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.floats(0.02, 0.5), st.floats(0.01, 0.5))
def test_ranks_are_the_smallest_that_keep_the_promise(n, miss_rate, failure_rate):
    on_average = conformal_rank(n, miss_rate)
    assert on_average / (n + 1) >= 1 - miss_rate - 1e-9 > (on_average - 1) / (n + 1) - 2e-9
    rank = conformal_rank(n, miss_rate, failure_rate)
    if rank <= n:
        assert beta.cdf(1 - miss_rate, rank, n + 1 - rank) <= failure_rate + 1e-9
    if rank > 1:
        assert beta.cdf(1 - miss_rate, rank - 1, n + 2 - rank) > failure_rate - 1e-9


def test_too_few_labels_let_every_class_in():
    held_out, labels = drawn(0, 8)
    assert conformal_rank(8, 0.1) == 9 and conformal_rank(9, 0.1) == 9 and conformal_rank(0, 0.1, 0.1) == 1
    assert np.all(label_sets(held_out, fit_conformal(held_out, labels, 0.1)).sizes == 4)
    nothing = fit_conformal(held_out, np.full(8, -1), 0.1, class_conditional=True)
    assert np.all(np.isinf(nothing.threshold))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["lac", "aps"]), st.booleans())
def test_order_does_not_matter_and_a_smaller_miss_rate_gives_larger_sets(seed, score, by_class):
    held_out, labels = drawn(seed, 60)
    order = np.random.default_rng(seed).permutation(60)
    rule = fit_conformal(held_out, labels, 0.3, score, by_class)
    permuted = fit_conformal(held_out[order], labels[order], 0.3, score, by_class)
    np.testing.assert_array_equal(permuted.threshold, rule.threshold)
    assert np.all(fit_conformal(held_out, labels, 0.1, score, by_class).threshold >= rule.threshold)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: fit_conformal(p, y, 0), "miss_rate must be between 0 and 1, got 0"),
        (lambda p, y: fit_conformal(p, y, 0.1, "raps"), "score must be 'lac' or 'aps', got 'raps'"),
        (lambda p, y: fit_conformal(p, y, failure_rate=1), "failure_rate must be between 0 and 1, got 1"),
        (lambda p, y: fit_conformal(p, y[:3]), "labels"),
        (lambda p, y: label_sets(p[:, :2], fit_conformal(p, y)), "probabilities must have 4 columns"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(*drawn(0, 10))
