"""Equals are called different in one case of twenty at most, and the interval of the multiplier holds its truth."""

from collections import Counter

import numpy as np
import pytest

from windrow.tasks.algorithms.worth import comparison
from windrow.tasks.algorithms.worth.comparison import (
    Evaluation,
    Luck,
    Runs,
    compare,
    luck_of,
    luck_of_mean,
    multiplier_of,
)

M, N, N_POOL = 120, 200, 1600
TRUTH = np.arange(M) % 4
SIZES = (50, 100, 200, 400, 800, 1600)


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "N_DRAWS", 500)


class World:
    """Sets whose true quality is known: it grows with the logarithm of the size, and a set has luck."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.hard = self.rng.normal(0, 0.2, M)

    def right(self, n: float, runs: int, luck: float = 0.03) -> np.ndarray:
        quality = 0.1 + 0.1 * np.log2(n / 25) + luck * self.rng.standard_normal((runs, 1))
        return self.rng.random((runs, M)) < np.clip(quality + self.hard, 0, 1)

    def curve(self) -> list[Runs]:
        return [Runs(n, self.right(n, 5 if n < N_POOL else 1, 0.03 if n < N_POOL else 0.0)) for n in SIZES]

    def evaluation(self) -> Evaluation:
        return Evaluation.drawn(TRUTH, np.arange(M), self.rng)


def verdict(world: World, times: float) -> str:
    curve = world.curve()
    luck = luck_of(curve, N, N_POOL, world.evaluation())
    both = Luck(luck.variance * (1 + 1 / 5), luck.freedom)
    others = next(runs.right for runs in curve if runs.size == N)
    return compare(world.right(N * times, 1)[0], others, world.evaluation(), both, world.rng).verdict


def test_equals_are_seldom_called_different_and_others_are() -> None:
    equal = Counter(verdict(World(seed), 1.0) for seed in range(200))
    assert equal["better"] + equal["worse"] <= 10
    assert equal["unclear"] < 200  # it can be wrong, as it must be able to
    assert Counter(verdict(World(seed), 4.0) for seed in range(20))["better"] >= 15
    assert Counter(verdict(World(seed), 0.25) for seed in range(20))["worse"] >= 15


@pytest.mark.parametrize(("sizes", "missing"), [((2, 2), 2.0), ((1, 2), 6.0), ((4, 2), 12 / 7)])
def test_the_interval_makes_up_for_what_a_bootstrap_misses_of_small_classes(
    sizes: tuple[int, ...], missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variance of a mean over classes is the sum of 1 / s, and a bootstrap sees (1 - 1 / s) / s of each."""
    truth = np.repeat(np.arange(len(sizes)), sizes)
    monkeypatch.setattr(comparison, "N_DRAWS", 4000)
    rng = np.random.default_rng(0)
    one, others = (np.arange(len(truth)) % 2 == 0)[None], (np.arange(len(truth)) % 3 == 0)[None]
    evaluation = Evaluation.drawn(truth, np.arange(len(truth)), rng)
    found = compare(one, others, evaluation, Luck(0.0, 0), rng)
    drawn = evaluation.of(one)[1] - evaluation.of(others)[1]
    assert (found.high - found.low) / np.diff(np.quantile(drawn, comparison.TAILS))[0] == pytest.approx(missing**0.5)


def test_the_interval_of_the_multiplier_holds_its_truth() -> None:
    held = 0
    for seed in range(60):
        world = World(seed)
        curve = world.curve()
        found = multiplier_of(world.right(2 * N, 1)[0], N, curve, N_POOL, world.evaluation(), world.rng)
        held += found.low <= 2 <= found.high
        assert found.low <= found.value <= found.high
    assert 54 <= held < 60


def test_the_whole_pool_has_no_luck_and_luck_is_the_mean_of_neighbouring_sizes() -> None:
    world = World(0)
    curve, evaluation = world.curve(), world.evaluation()
    assert luck_of(curve, N_POOL, N_POOL, evaluation) == Luck(0.0, 0)
    assert luck_of(curve, 200, N_POOL, evaluation).freedom == 12  # 100, 200 and 400 samples, five sets each
    assert not Luck(0.0, 0).draws(3, np.random.default_rng(0)).any()


def test_a_set_that_no_random_one_reaches_has_a_lower_bound() -> None:
    world = World(3)
    everything = np.ones(M, np.bool_)
    found = multiplier_of(everything, N, world.curve(), N_POOL, world.evaluation(), world.rng)
    assert (found.told, found.value) == ("lower bound", pytest.approx(N_POOL / N))


def test_groups_are_drawn_whole() -> None:
    groups = np.array([0, 0, 1, 2])
    evaluation = Evaluation.drawn(np.zeros(4, np.int64), groups, np.random.default_rng(0))
    counts = evaluation.counts[:, evaluation.groups]
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_the_same_set_five_times_has_the_luck_of_one_and_different_ones_a_fifth() -> None:
    """Of 100 samples ten are taken: two sets that share five, one by chance, are (5 - 1) / (10 - 1) of the way."""
    tens = [np.arange(start, start + 10) for start in range(0, 50, 10)]
    assert luck_of_mean([tens[0]] * 5, 100) == 1.0
    assert luck_of_mean(tens, 100) == pytest.approx(1 / 5)
    assert luck_of_mean([np.arange(10), np.r_[np.arange(5), np.arange(90, 95)]], 100) == pytest.approx(4 / 9 + 5 / 18)
    assert luck_of_mean(tens[:1], 100) == luck_of_mean([tens[0][:0]] * 5, 100) == 1.0
