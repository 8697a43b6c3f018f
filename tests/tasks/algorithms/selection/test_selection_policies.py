"""What every selection policy keeps to: a new one is tested by its line in POLICIES."""

import numpy as np
import pytest
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
def test_the_ranking_does_not_depend_on_the_order_in_which_the_samples_come(name: str) -> None:
    policy = POLICIES[name]()
    candidates, rows = candidates_of(60, policy.expressions), np.random.default_rng(1).permutation(60)
    assert policy.rank(candidates.at(rows), 3).place.tolist() == policy.rank(candidates, 3).place[rows].tolist()


@pytest.mark.parametrize("name", ["balanced", "random"])
def test_another_seed_is_another_ranking(name: str) -> None:
    rankings = [POLICIES[name]().rank(candidates_of(60), seed).place.tobytes() for seed in range(8)]
    assert len(set(rankings)) > 4
