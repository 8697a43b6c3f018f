"""What every selection policy keeps to: a new one is tested by its line in POLICIES."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.ranking import inclusion_weights


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("n", [0, 1, 60])
def test_every_sample_has_one_rank_by_the_seed_alone_and_the_weights_add_up(name: str, n: int) -> None:
    policy = POLICIES[name]()
    candidates = candidates_of(n, policy.expressions)
    found, again = policy.rank(candidates, 3), policy.rank(candidates, 3)
    assert sorted(found.place.tolist()) == list(range(1, n + 1)) and found.place.dtype == np.int64
    assert found.place.tobytes() == again.place.tobytes()
    assert found.strata.dtype == np.int32 and len(found.strata) == n
    if n == 60:
        assert inclusion_weights(found.strata, found.place <= 20).sum() == pytest.approx(n)


@pytest.mark.parametrize("name", POLICIES)
@settings(deadline=None, max_examples=8)
@given(n=st.integers(2, 70), seed=st.integers(0, 2**40))
def test_the_ranking_does_not_depend_on_the_order_in_which_the_samples_come(name: str, n: int, seed: int) -> None:
    policy = POLICIES[name]()
    candidates, rows = candidates_of(n, policy.expressions), np.random.default_rng(seed).permutation(n)
    found, mixed = policy.rank(candidates, seed), policy.rank(candidates.at(rows), seed)
    assert mixed.place.tolist() == found.place[rows].tolist()
    assert mixed.strata.tolist() == found.strata[rows].tolist()


@pytest.mark.parametrize("name", POLICIES)
def test_copies_of_one_sample_and_samples_of_no_direction_are_ranked_too(name: str) -> None:
    policy = POLICIES[name]()
    candidates = candidates_of(12, policy.expressions)
    for value in (0.0, 0.5):
        same = replace(candidates, embeddings=np.full((12, 5), value), similarity=np.ones((12, 4), np.float32))
        assert sorted(policy.rank(same, 0).place.tolist()) == list(range(1, 13))


@pytest.mark.parametrize(("name", "need"), [(name, need) for name in POLICIES for need in POLICIES[name]().needs])
def test_what_a_policy_needs_and_does_not_find_it_does_without_or_asks_for(name: str, need: str) -> None:
    policy = POLICIES[name]()
    candidates = replace(candidates_of(60, policy.expressions), **{need: None})
    try:
        assert len(policy.rank(candidates, 0).place) == 60
    except ValueError as error:
        assert re.match(f"selection.policy {name} wants .*, and there are none$", str(error)), error


@pytest.mark.parametrize("name", ["balanced", "random", "inverse-density", "diverse"])
def test_another_seed_is_another_ranking(name: str) -> None:
    rankings = [POLICIES[name]().rank(candidates_of(60), seed).place.tobytes() for seed in range(8)]
    assert len(set(rankings)) > 4
