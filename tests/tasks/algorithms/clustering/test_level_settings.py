from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering.level_settings import grown_levels, half_mean_sizes, propose_levels


def test_the_default_number_of_resamples_is_the_papers():
    assert half_mean_sizes(100_000_000, (10_000_000, 500_000, 50_000, 10_000))[1:] == (10, 5, 3)
    assert half_mean_sizes(29_700, (1000, 300)) == (15, 2)


def test_a_round_never_keeps_a_single_member_which_would_be_the_centroid_again():
    assert half_mean_sizes(5, (5,)) == (2,)


@given(n=st.integers(1, 2 * 10**10), target=st.none() | st.integers(1, 10**9))
@settings(deadline=None)
def test_proposed_levels_decrease_by_as_much_from_level_to_level(n: int, target: int | None):
    proposed = propose_levels(n, target)
    finest = proposed.n_clusters[0]
    assert 1 <= finest <= max(1, n / 6 + 0.5)
    assert proposed.n_resamples == half_mean_sizes(n, proposed.n_clusters)
    assert len(proposed.reasons) == len(proposed.n_clusters)
    ratios = [finer / coarser for finer, coarser in pairwise(proposed.n_clusters)]
    assert all(ratio > (2.9 if len(ratios) > 1 else 1) for ratio in ratios)
    assert all(ratio < 10 for ratio in ratios)
    assert min(proposed.n_clusters) <= n**0.5 * 1.4 + 1


@given(n=st.integers(100, 10**9), target=st.integers(1, 10**9))
@settings(deadline=None)
def test_a_target_never_raises_the_number_of_clusters_nor_lowers_the_coarsest(n: int, target: int):
    free, wanted = propose_levels(n), propose_levels(n, target)
    assert wanted.n_clusters[0] <= free.n_clusters[0]
    assert wanted.n_clusters[-1] >= min(free.n_clusters[-1], n**0.5) - 1
    assert wanted == free or wanted.n_clusters[0] == pytest.approx(max(10 * target, n**0.5), abs=1)


def test_proposed_levels_at_a_few_sizes():
    assert [propose_levels(n).n_clusters for n in (1, 2, 10, 100)] == [(1,), (1,), (2,), (17, 10)]
    assert propose_levels(200).n_clusters == (33, 14)
    assert propose_levels(1000).n_clusters == (167, 32)
    assert propose_levels(1000).n_resamples == (3, 3)
    assert propose_levels(1_000_000).n_clusters == (63096, 15849, 3981, 1000)
    assert propose_levels(1_000_000).n_resamples == (8, 2, 2, 2)
    assert propose_levels(743_000_000).n_clusters[::4] == (12496576, 27258)


def test_every_level_has_a_reason():
    assert propose_levels(1000).reasons == (
        "about 6.0 samples each: with fewer in each, many clusters would be single samples; a resampling round keeps 3",
        "about 5.2 clusters of level 1 each: about n^0.5 at the top, more than most pools have classes; a resampling "
        "round keeps 3",
    )
    limited = propose_levels(1_000_000, target_size=1000)
    assert limited.n_clusters == (10000, 3162, 1000)
    assert limited.reasons[0] == (
        "about 100.0 samples each: beyond 10 for each wanted sample, more only cost time; a resampling round keeps 50"
    )
    assert propose_levels(1_000_000, target_size=50_000) == propose_levels(1_000_000)


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
