"""Successive halving: on four arms by hand, and on many of known means."""

from collections.abc import Sequence

import numpy as np
import pytest

from windrow.tasks.algorithms.worth.racing import Measure, n_measurements, race, schedule


def of_means(means: np.ndarray, noise: float, asked: list[tuple[int, int]], seed: int = 0) -> Measure:
    def measure(pairs: Sequence[tuple[int, int]]) -> list[float]:
        asked.extend(pairs)
        return [means[arm] + noise * np.random.default_rng((seed, arm, run)).standard_normal() for arm, run in pairs]

    return measure


def test_four_arms_by_hand() -> None:
    """Seed 0 tells 1 .. 4; of the better two, the one that was second has the better mean after two seeds."""
    table = {(0, 0): 1.0, (1, 0): 4.0, (2, 0): 2.0, (3, 0): 3.0, (1, 1): 0.0, (3, 1): 3.0}
    found = race(4, lambda pairs: [table[pair] for pair in pairs], first=1, most=8)
    assert found.winner == 3
    assert found.means.tolist() == [1.0, 2.0, 2.0, 3.0]
    assert found.n_seeds.tolist() == [1, 2, 1, 2]


def test_seven_arms_go_in_rounds_and_nothing_is_measured_twice_or_beyond_the_budget() -> None:
    assert schedule(7, 2, 8) == ((7, 2), (4, 4), (2, 8))
    asked: list[tuple[int, int]] = []
    race(7, of_means(np.arange(7.0), 1.0, asked), 2, 8)
    assert len(asked) == len(set(asked)) == n_measurements(7, 2, 8) == 14 + 8 + 8
    assert {seed for _, seed in asked} == set(range(8))


def test_the_best_of_known_means_wins_in_nearly_every_race_and_the_same_each_time() -> None:
    means = np.linspace(0, 1, 24)[np.random.default_rng(0).permutation(24)]
    winners = [race(24, of_means(means, 0.05, [], seed), 2, 16).winner for seed in range(40)]
    assert np.mean(means[winners]) > 0.97  # one measurement each finds .95 only
    assert winners[:5] == [race(24, of_means(means, 0.05, [], seed), 2, 16).winner for seed in range(5)]


def test_of_equals_the_first_wins_and_one_arm_has_won() -> None:
    assert race(5, lambda pairs: [0.5] * len(pairs), 2, 8).winner == 0
    assert race(1, lambda pairs: [0.5] * len(pairs), 1, 1).winner == 0


@pytest.mark.parametrize(("n", "first", "most"), [(0, 1, 1), (3, 0, 2), (3, 4, 2)])
def test_what_is_no_race_is_refused(n: int, first: int, most: int) -> None:
    with pytest.raises(ValueError, match="wants an arm and 1 <= first <= most"):
        race(n, lambda pairs: [0.0] * len(pairs), first, most)
