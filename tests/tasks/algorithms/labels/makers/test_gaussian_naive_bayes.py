import itertools

import label_pools
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from windrow.tasks.algorithms.labels.makers.gaussian_naive_bayes import NaiveBayes, class_moments

FEW = settings(max_examples=15, deadline=None)


def random_pool(seed, labelled=30, **sizes):
    return label_pools.random_pool(seed, labelled=labelled, pull=1, **sizes)


def naive_bayes(pool, labels, n_classes, **settings):
    return label_pools.said(NaiveBayes(**settings), pool, labels, n_classes)


def unit(pool):
    return pool / np.linalg.norm(pool.astype(np.float64), axis=1, keepdims=True)


def by_hand(pool, labels, n_classes, class_variances, shrinkage, n_effective, prior):
    rows, d = unit(pool), pool.shape[1]
    groups = [rows[labels == c] for c in range(n_classes)]
    within = [((g - g.mean(axis=0)) ** 2).sum(axis=0) for g in groups]
    free = sum(len(g) for g in groups) - n_classes
    shared = (sum(within) + shrinkage * rows.var(axis=0)) / (free + shrinkage)
    scores = np.zeros((len(rows), n_classes))
    for c, group in enumerate(groups):
        variance = (within[c] + shrinkage * shared) / (len(group) - 1 + shrinkage) if class_variances else shared
        logs = -0.5 * ((rows - group.mean(axis=0)) ** 2 / variance + np.log(variance))
        scores[:, c] = np.log(prior[c]) + logs.sum(axis=1) * min(n_effective / d, 1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@FEW
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.1, 10.0]), st.sampled_from([2.0, 100.0]))
def test_the_probabilities_are_those_of_plain_numpy(seed, class_variances, shrinkage, n_effective):
    pool, labels = random_pool(seed)
    prior = np.bincount(labels[labels >= 0]) / np.count_nonzero(labels >= 0)
    settings = {"class_variances": class_variances, "shrinkage": shrinkage, "n_effective": n_effective}
    ours = naive_bayes(pool, labels, 3, prior="labels", **settings)
    theirs = by_hand(pool, labels, 3, class_variances, shrinkage, n_effective, prior)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_with_hardly_any_shrinkage_and_all_evidence_it_is_scikit_learns_up_to_its_n_for_n_minus_one():
    pool, labels = random_pool(3, n=3000, labelled=3000)
    peer = GaussianNB(var_smoothing=0).fit(unit(pool), labels)
    ours = naive_bayes(pool, labels, 3, prior="labels", class_variances=True, shrinkage=1e-9, n_effective=6)
    np.testing.assert_allclose(ours, peer.predict_proba(unit(pool)), atol=0.02)


def test_of_two_samples_at_right_angles_each_class_has_one_and_the_middle_is_undecided():
    pool = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    shares = naive_bayes(pool, np.array([0, 1, -1]), 2)
    assert shares.argmax(axis=1).tolist() == [0, 1, 0]
    np.testing.assert_allclose(shares[2], [0.5, 0.5], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.lists(st.integers(0, 60), max_size=4))
def test_moments_of_shards_merge_to_those_of_the_pool_in_any_order(seed, cuts):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    whole = class_moments(pool, labels, 3)
    bounds = [0, *sorted(cuts), 60]
    shards = [order[a:b] for a, b in itertools.pairwise(bounds)]
    moments = [class_moments(pool[s], labels[s], 3) for s in shards]
    merged = moments[0]
    for each in moments[1:]:
        merged = each.merge(merged)
    for name in ("counts", "sums", "squares"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))


@FEW
@given(st.integers(0, 10_000), st.booleans())
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them_to_the_bit(seed, class_variances):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = naive_bayes(pool, labels, 5, class_variances=class_variances)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    permuted = naive_bayes(pool[order], labels[order], 5, class_variances=class_variances)
    np.testing.assert_array_equal(permuted, plain[order])
    assert not plain[:, 3:].any()


@pytest.mark.parametrize("class_variances", [False, True])
def test_a_probability_does_not_depend_on_its_block_or_the_other_rows(class_variances):
    pool, labels = random_pool(1, n=300, d=100)
    whole = naive_bayes(pool, labels, 3, class_variances=class_variances)
    fitted = NaiveBayes(class_variances=class_variances).classifier(class_moments(pool, labels, 3))
    few = np.concatenate([fitted.predict_proba(pool[i : i + 7]) for i in range(0, 300, 7)])
    np.testing.assert_array_equal(few, whole)


def test_all_the_shrinkage_makes_every_class_share_the_pools_variance():
    pool, labels = random_pool(5)
    moments = class_moments(pool, labels, 3)
    for class_variances in (False, True):
        fitted = NaiveBayes(class_variances=class_variances, shrinkage=1e12).classifier(moments)
        np.testing.assert_allclose(
            fitted.variance, np.tile(unit(pool).var(axis=0), (len(fitted.variance), 1)), rtol=1e-6
        )


def test_a_constant_dimension_and_identical_samples_are_no_division_by_zero():
    pool = np.ones((4, 3), dtype=np.float32)
    shares = naive_bayes(pool, np.array([0, 1, -1, -1]), 2, class_variances=True)
    np.testing.assert_allclose(shares, 0.5)


def test_moments_of_other_shapes_do_not_merge_and_a_fit_needs_a_label():
    shard = class_moments(np.eye(2), np.array([-1, -1]), 2)
    with pytest.raises(ValueError, match=r"other must have moments of shape \(3, 2\), got \(4, 2\)"):
        shard.merge(class_moments(np.eye(2), np.array([-1, -1]), 3))
    with pytest.raises(ValueError, match="moments must hold at least one labelled sample"):
        NaiveBayes().classifier(shard)
    with pytest.raises(ValueError, match="labels must be from -1 to 1, got -2 to 0"):
        class_moments(np.eye(2), np.array([-2, 0]), 2)
