"""Clusters by a target: counts against brute force, FID against the root of a matrix, and the merge by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import sqrtm
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.gaussian_distance import GaussianTarget, Moments, merged_while_closer
from windrow.tasks.algorithms.selection.grid_units import grid_units
from windrow.tasks.algorithms.selection.policies.target import Target, target_counts
from windrow.tasks.algorithms.selection.policies.target_fid import TargetFid


def fid(vectors: np.ndarray, others: np.ndarray) -> float:
    target = GaussianTarget.of(others)
    return float(target.distances(Moments.of(vectors, np.zeros(len(vectors), np.int64), 1, target.root))[0])


def fid_by_root(vectors: np.ndarray, others: np.ndarray) -> float:
    first, second = np.cov(vectors, rowvar=False), np.cov(others, rowvar=False)
    root = sqrtm(first @ second).real
    away = vectors.mean(axis=0) - others.mean(axis=0)
    return float(away @ away + np.trace(first) + np.trace(second) - 2 * np.trace(root))


def test_counts_are_those_of_every_distance() -> None:
    rng = np.random.default_rng(0)
    units, clusters, targets = (
        grid_units(rng.normal(size=(200, 5))),
        rng.permutation(200) % 11,
        rng.normal(size=(90, 5)),
    )
    centroids = np.stack([units[clusters == c].mean(axis=0) for c in range(11)])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    similarity = targets / np.linalg.norm(targets, axis=1, keepdims=True) @ centroids.T
    count, nearest = target_counts(units, clusters, targets)
    assert count.tolist() == np.bincount(similarity.argmax(axis=1), minlength=11).tolist()
    np.testing.assert_allclose(nearest, similarity.max(axis=0), atol=3e-3)


@pytest.mark.parametrize(("n", "m", "dim"), [(300, 200, 8), (40, 60, 30)])
def test_the_fid_is_that_of_scipys_root(n: int, m: int, dim: int) -> None:
    rng = np.random.default_rng(n)
    vectors, others = rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)), rng.normal(1, 2, (m, dim))
    assert fid(vectors, others) == pytest.approx(fid_by_root(vectors, others), rel=1e-6)
    assert fid(others, others) == pytest.approx(0, abs=1e-6)


def test_the_moments_of_a_union_are_those_of_its_samples() -> None:
    rng = np.random.default_rng(0)
    vectors, groups, others = rng.normal(size=(90, 6)), rng.permutation(90) % 3, rng.normal(size=(50, 6))
    target = GaussianTarget.of(others)
    sets = Moments.of(vectors, groups, 3, target.root)
    union = target.distances(sets.at([0]).joined(sets.at([2])))[0]
    assert union == pytest.approx(fid(vectors[groups != 1], others))
    assert target.distances(sets)[1] == pytest.approx(fid(vectors[groups == 1], others))


def test_sets_are_merged_while_that_brings_them_closer() -> None:
    rng = np.random.default_rng(0)
    others = np.concatenate([rng.normal(middle, 0.1, (100, 2)) for middle in (-1, 1)])
    middles = [3.0, 1.0, -1.0, 1.1]  # far, one half, the other half, the first half again
    groups = np.repeat(range(4), 100)
    vectors = rng.normal(size=(400, 2)) * 0.1 + np.array(middles)[groups][:, None]
    target = GaussianTarget.of(others)
    order = merged_while_closer(Moments.of(vectors, groups, 4, target.root), target).tolist()
    merged, left = order[:1], []
    for group in np.argsort([fid(vectors[groups == g], others) for g in range(4)])[1:]:
        before = fid(vectors[np.isin(groups, merged)], others)
        closer = fid(vectors[np.isin(groups, [*merged, group])], others) < before
        (merged if closer else left).append(int(group))
    assert order == merged + left
    assert {1, 2} & set(order[:2]) == {1, 2} or set(order[:2]) == {2, 3}
    assert order[-1] == 0


@pytest.mark.parametrize("policy", [Target(), TargetFid()])
def test_clusters_come_whole_and_the_targets_own_first(policy: Target | TargetFid) -> None:
    candidates = candidates_of(60)
    cluster = candidates.paths[:, 1]
    embeddings = np.eye(5)[cluster] + np.random.default_rng(0).normal(0, 0.05, (60, 5))
    candidates = replace(candidates, embeddings=embeddings, targets=embeddings[cluster == 2][:7])
    order = cluster[np.argsort(policy.rank(candidates, 0).place)]
    assert (order[: (cluster == 2).sum()] == 2).all()
    assert np.count_nonzero(np.diff(order)) == 2


@pytest.mark.parametrize(("name", "policy"), [("target", Target()), ("target-fid", TargetFid())])
def test_without_a_target_both_say_what_they_want(name: str, policy: Target | TargetFid) -> None:
    with pytest.raises(ValueError, match=f"selection.policy {name} wants samples that the set is to be like"):
        policy.rank(replace(candidates_of(6), targets=None), 0)
