from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.level_settings import grown_levels, half_mean_sizes, propose_levels


def test_the_default_number_of_resamples_is_the_papers():
    assert half_mean_sizes(100_000_000, (10_000_000, 500_000, 50_000, 10_000))[1:] == (10, 5, 3)
    assert half_mean_sizes(29_700, (1000, 300)) == (15, 2)


def test_a_round_never_keeps_a_single_member_which_would_be_the_centroid_again():
    assert half_mean_sizes(5, (5,)) == (2,)
    assert propose_levels(200).n_resamples == (2, 2)


@given(n=st.integers(1, 2 * 10**9), target=st.none() | st.integers(1, 10**9))
@settings(deadline=None)
def test_proposed_levels_decrease_by_2_to_10_down_to_few(n: int, target: int | None):
    proposed = propose_levels(n, target)
    assert 1 <= proposed.n_clusters[0] <= min(n, target or n)
    assert proposed.n_resamples == half_mean_sizes(n, proposed.n_clusters)
    assert len(proposed.reasons) == len(proposed.n_clusters)
    for finer, coarser in pairwise(proposed.n_clusters):
        assert 2 * coarser <= finer + 1
        assert finer < 10 * (coarser + 1)
    assert proposed.n_clusters[-1] <= max(1.0, 2.2 * n**0.45)


def test_proposed_levels_at_a_few_sizes():
    assert propose_levels(10).n_clusters == (2,)
    assert propose_levels(200).n_clusters == (50, 11)
    assert propose_levels(1000).n_clusters == (250, 75, 22)
    assert propose_levels(1_000_000).n_clusters == (63096, 12589, 2512, 501)
    assert propose_levels(1_000_000).n_resamples == (8, 3, 3, 3)
    assert propose_levels(743_000_000).n_clusters[-1] == 9816


def test_no_more_finest_clusters_than_samples_are_wanted():
    proposed = propose_levels(1_000_000, target_size=10_000)
    assert proposed.n_clusters[0] == 10_000
    assert proposed.reasons[0] == (
        "100.0 samples each (as many clusters as samples are wanted); a resampling round keeps 50 of them"
    )
    assert propose_levels(1_000_000, target_size=500_000) == propose_levels(1_000_000)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
        propose_levels(0)
    with pytest.raises(ValueError, match="target_size: expected at least 1, got 0"):
        propose_levels(5, 0)


def test_the_levels_of_a_pool_that_grows_stay_as_many_and_keep_their_proportions():
    assert grown_levels((250, 75, 22), 1.0) == (250, 75, 22)
    assert grown_levels((250, 75, 22), 0.5) == (250, 75, 22)  # a pool that shrinks keeps its clusters
    assert grown_levels((250, 75, 22), 2.0) == (435, 116, 30)
    assert grown_levels((1,), 4.0) == (1,)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5, unique=True), st.floats(0.1, 100))
@settings(deadline=None)
def test_grown_levels_still_decrease(levels: list[int], growth: float):
    grown = grown_levels(sorted(levels, reverse=True), growth)
    assert all(finer > coarser for finer, coarser in pairwise(grown))
