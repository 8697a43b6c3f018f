"""Is `windrow worth` right where samples may be of several classes? A/A tests, and whether intervals hold the truth.

    python tests/benchmarks/bench_state_worth.py equal --trials 100     # how often are equals called different?
    python tests/benchmarks/bench_state_worth.py coverage --trials 100  # how often does the interval hold the truth?

Pools are synthetic: 1,500 samples of eight classes, the commonest in 40 % of them and the rarest in 4 %, each class a
direction with normal noise around; two sources looked for five of the classes each. Sets are of 250 samples, judged by
200 others. The policy of `coverage` takes a sample with the chance of the rarest class that is known to be present in
it; its true gain over random sets is a mean over 60 pools, draws and 4,000 fresh samples.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.labels.states.known_states import KnownStates
from windrow.tasks.algorithms.worth.set_probe import FeatureProbe, JudgedPool, is_right
from windrow.tasks.algorithms.worth.set_quality import qualities
from windrow.tasks.algorithms.worth.version_worth import Judging, LastVersion, WorthOfVersion, worth_of_version

N, N_TAKEN, N_CLASSES, DIMS, M = 1500, 250, 8, 24, 200
RATES = 0.4 * 10 ** (-np.arange(N_CLASSES) / (N_CLASSES - 1))
LOOKED = np.array([np.arange(N_CLASSES) % 8 < 5, np.arange(N_CLASSES) % 8 >= 3])


@dataclass(frozen=True)
class World:
    """The directions of classes (c, d)."""

    directions: np.ndarray

    @classmethod
    def of(cls, seed: int) -> World:
        return cls(1.6 / np.sqrt(DIMS) * np.random.default_rng(seed).standard_normal((N_CLASSES, DIMS)))

    def drawn(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Unit rows (n, d), and their states (n, c): 1, 0, and -1 where nobody looked."""
        present = rng.random((n, N_CLASSES)) < RATES
        rows = present @ self.directions + rng.standard_normal((n, DIMS)) / np.sqrt(DIMS) * 1.5
        known = np.where(LOOKED[rng.integers(2, size=n)], present, -1).astype(np.int8)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), known

    def pool(self, m: int, rng: np.random.Generator) -> JudgedPool:
        (features, states), (evaluated, known) = self.drawn(N, rng), self.drawn(m, rng)
        sample, number = np.nonzero(known >= 0)
        truth = 2 * number + known[sample, number]
        both = np.isin(number, np.flatnonzero((known == 1).any(axis=0) & (known == 0).any(axis=0)))
        nothing = np.full(N, -1), np.zeros(N)
        judged = evaluated, truth[both], N_CLASSES, KnownStates.of_matrix(states), sample[both]
        return JudgedPool(features, *nothing, *judged)


def taken(pool: JudgedPool, evenness: float, rng: np.random.Generator) -> np.ndarray:
    """Rows of a set, those whose rarest present class is in s samples with chances s^-evenness: 0 is random."""
    assert pool.states is not None
    rarest = pool.states.rarest_present()
    n_present = np.append(pool.states.n_known()[0], N)
    keys = rng.exponential(size=N) * n_present[rarest].astype(float) ** evenness
    return np.argsort(keys)[:N_TAKEN]


def judged(pool: JudgedPool, ranked: np.ndarray, old: np.ndarray, seed: int) -> WorthOfVersion:
    last = LastVersion(old, pool.labels, pool.weights, np.ones(len(pool.evaluated), np.bool_), pool.states)
    judging = Judging(FeatureProbe("logistic"), 5, 20_000, seed)
    return worth_of_version(pool, np.arange(len(pool.evaluated)), ranked, np.arange(N), last, judging, True)


def equal(trials: int) -> None:
    """Two seeds of one policy, and a random set against random ones."""
    random, last = Counter[str](), Counter[str]()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        pool = World.of(trial).pool(M, rng)
        ranked, old = (taken(pool, 0.0, rng) for _ in range(2))
        found = judged(pool, ranked, old, trial)
        random[found.random.verdict] += 1
        assert found.last is not None
        last[found.last[1].verdict] += 1
    print(f"{trials} trials: random against random {dict(random)}, two seeds {dict(last)}")


def coverage(trials: int, evenness: float) -> None:
    """The share of the intervals of the gain that hold the policy's true gain, over pools of one world."""
    world, rng = World.of(0), np.random.default_rng(10**6)
    gains = []
    for _ in range(60):
        pool = world.pool(4000, rng)
        right = np.stack([is_right(pool, taken(pool, each, rng), "logistic", True) for each in (0.0, evenness)])
        gains.append(np.diff(qualities(right, pool.truth, np.ones((1, len(pool.truth))))[0])[0])
    truth, held, verdicts = float(np.mean(gains)), 0, Counter[str]()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        pool = world.pool(M, rng)
        ranked = taken(pool, evenness, rng)
        found = judged(pool, ranked, ranked, trial).random
        held += found.low <= truth <= found.high
        verdicts[found.verdict] += 1
    error = 100 * np.std(gains) / np.sqrt(len(gains))
    print(
        f"evenness {evenness}: true gain {100 * truth:+.2f} points (standard error {error:.2f}), "
        f"held {held} of {trials}, {dict(verdicts)}"
    )


def main() -> None:
    """Answer one question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["equal", "coverage"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--evenness", type=float, default=1.0)
    options = parser.parse_args()
    start = time.process_time()
    if options.question == "equal":
        equal(options.trials)
    else:
        coverage(options.trials, options.evenness)
    print(f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
