import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.selection.merging import merge_parts


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 40))
def test_every_prefix_holds_the_parts_in_their_shares_until_one_runs_out(seed: int, n_parts: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rankings = [rng.permutation(n)[: rng.integers(0, n + 1)] for _ in range(n_parts)]
    shares = rng.uniform(0.1, 1, n_parts)
    merged = merge_parts(rankings, shares.tolist(), n)
    inside = np.isin(np.arange(n), np.concatenate(rankings))
    assert sorted(merged.place[inside].tolist()) == list(range(1, int(inside.sum()) + 1))
    assert (merged.place[~inside] == 0).all() and (merged.part[~inside] == -1).all()
    order = np.argsort(merged.place)[int((~inside).sum()) :]
    for number, ranking in enumerate(rankings):
        mine = [row for row in order if merged.part[row] == number]
        assert set(mine) <= set(ranking.tolist())
        assert [list(ranking).index(row) for row in mine] == sorted(list(ranking).index(row) for row in mine)
    shortest = min(int((merged.part == number).sum()) / shares[number] for number in range(n_parts))
    for size in range(1, len(order) + 1):
        counts = np.bincount(merged.part[order[:size]], minlength=n_parts)
        if (counts / shares).max() <= shortest:
            assert np.abs(counts - size * shares / shares.sum()).max() <= n_parts


def test_a_sample_of_two_parts_belongs_to_the_first_that_comes_to_it() -> None:
    merged = merge_parts([np.array([3, 0, 1]), np.array([3, 2])], [0.5, 0.5], 4)
    assert merged.part.tolist() == [0, 0, 1, 0] and merged.place.tolist() == [3, 4, 2, 1]


def test_shares_must_be_positive_and_as_many_as_the_rankings() -> None:
    with pytest.raises(ValueError, match=r"shares: expected a number > 0 for each of 1 rankings, got \[0.5, 0.5\]"):
        merge_parts([np.array([0])], [0.5, 0.5], 1)
