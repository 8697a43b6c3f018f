"""Shares by complexity: against the definition, and what they do to a ranking."""

from dataclasses import replace

import numpy as np
import pytest
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.complexity_weights import cluster_complexity
from windrow.tasks.algorithms.selection.grid_units import grid_units
from windrow.tasks.algorithms.selection.policies.complexity import Complexity


def test_complexity_is_the_distance_to_the_nearest_others_times_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windrow.tasks.algorithms.selection.complexity_weights.BLOCK_ROWS", 4)
    rng = np.random.default_rng(0)
    units, clusters = grid_units(rng.normal(size=(80, 5))).astype(float), rng.permutation(80) % 9
    centroids = np.stack([units[clusters == c].mean(axis=0) for c in range(9)])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    inter = [np.sort(1 - np.delete(centroids @ centroids[c], c))[:3].mean() for c in range(9)]
    intra = [(1 - units[clusters == c] @ centroids[c]).mean() for c in range(9)]
    found = cluster_complexity(units.astype(np.float32), clusters, 3)
    np.testing.assert_allclose(found, np.array(inter) * intra, atol=2e-3)  # grid units are of length 1 up to 2^-10


def test_a_single_cluster_is_as_complex_as_it_is_wide() -> None:
    units = grid_units(np.array([[1.0, 0], [0, 1.0]]))
    assert cluster_complexity(units, np.zeros(2, np.int64), 20) == pytest.approx(1 - 0.5**0.5)


def test_a_wide_cluster_gets_more_and_at_a_high_temperature_as_much() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1], 300)
    middle = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])[cluster]
    embeddings = middle + rng.normal(size=(600, 4)) * np.where(cluster, 0.6, 0.05)[:, None]
    candidates = replace(candidates_of(600), embeddings=embeddings, paths=cluster[:, None].astype(np.int32))
    shares = {
        temperature: cluster[Complexity(temperature).rank(candidates, 0).place <= 200].mean()
        for temperature in (0.05, 0.1, 1e9)
    }
    assert shares[0.05] > shares[0.1] > 0.6
    assert shares[1e9] == 0.5


def test_levels_below_the_measured_one_share_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windrow.tasks.algorithms.selection.policies.complexity.MOST_CLUSTERS", 3)
    candidates = candidates_of(60)
    place = Complexity(temperature=1e9).rank(candidates, 0).place
    assert np.bincount(candidates.paths[place <= 12, 0], minlength=6).tolist() == [2] * 6
