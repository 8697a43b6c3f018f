"""Is `windrow worth` right? A/A tests, coverage of the multiplier, and the time that it takes.

    python tests/benchmarks/bench_worth.py equal --trials 200      # how often are equals called different?
    python tests/benchmarks/bench_worth.py coverage --trials 100   # how often does the interval hold the truth?
    python tests/benchmarks/bench_worth.py time                    # 10,000 samples of 1,280 dimensions

Pools are synthetic: normal clouds in a long tail of classes, so that everything is known. A policy draws at random, but
a class's samples with another chance, so that its true quality at a size is the mean over many draws and 20,000 fresh
samples, and its true multiplier what the true curve of random sets says of that.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.worth.learning_curve import matching_size, monotone
from windrow.tasks.algorithms.worth.set_probe import FeatureProbe, JudgedPool, Probe, is_right, judge_features
from windrow.tasks.algorithms.worth.set_quality import qualities
from windrow.tasks.algorithms.worth.version_worth import Judging, LastVersion, WorthOfVersion, worth_of_version

N, N_TAKEN, N_CLASSES, DIMS, TAIL = 1500, 250, 10, 16, 30.0
SIZES = np.array([60, 125, 250, 500, 1000, 1500])


@dataclass(frozen=True)
class World:
    """Clouds of classes, and the shares that the classes have."""

    means: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, seed: int, dims: int = DIMS, near: float = 0.8) -> World:
        shares = TAIL ** (-np.arange(N_CLASSES) / (N_CLASSES - 1))
        return cls(near * np.random.default_rng(seed).standard_normal((N_CLASSES, dims)), shares / shares.sum())

    def drawn(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.choice(N_CLASSES, n, p=self.shares)
        rows = self.means[labels] + rng.standard_normal((n, self.means.shape[1]))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels

    def pool(self, m: int, rng: np.random.Generator, n: int = N) -> JudgedPool:
        (features, labels), (evaluated, truth) = self.drawn(n, rng), self.drawn(m, rng)
        return JudgedPool(features, labels, np.ones(n), evaluated, truth, N_CLASSES)


def taken(pool: JudgedPool, n: int, evenness: float, rng: np.random.Generator) -> np.ndarray:
    """n rows, those of a class of size s with chances s^-evenness: 0 is random."""
    sizes = np.bincount(pool.labels, minlength=N_CLASSES)[pool.labels]
    keys = rng.exponential(size=len(sizes)) * sizes.astype(float) ** evenness
    return np.argsort(keys)[:n]


def judged(pool: JudgedPool, ranked: np.ndarray, old: np.ndarray, probe: Probe, seed: int) -> WorthOfVersion:
    last = LastVersion(old, pool.labels, pool.weights, np.ones(len(pool.truth), np.bool_))
    every = np.arange(len(pool.labels))
    return worth_of_version(
        pool, np.arange(len(pool.truth)), ranked, every, last, Judging(FeatureProbe(probe), 5, 20_000, seed), False
    )


def equal(trials: int, m: int, probe: Probe) -> None:
    """Two seeds of one policy, and a random set against random ones."""
    random, last = Counter[str](), Counter[str]()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        pool = World.of(trial).pool(m, rng)
        ranked, old = (taken(pool, N_TAKEN, 0.0, rng) for _ in range(2))
        found = judged(pool, ranked, old, probe, trial)
        random[found.random.verdict] += 1
        assert found.last is not None
        last[found.last[1].verdict] += 1
    print(f"{probe}, {m} evaluated, {trials} trials: random against random {dict(random)}, two seeds {dict(last)}")


def coverage(trials: int, m: int, evenness: float) -> None:
    """The share of the intervals that hold the policy's true multiplier, over pools of one world."""
    world = World.of(0)
    rng = np.random.default_rng(10**6)
    curve, policy = [], []
    for _ in range(60):  # the truth: over pools and draws
        pool = world.pool(4000, rng)
        ones = np.ones((1, len(pool.truth)))

        def quality(rows: np.ndarray, pool: JudgedPool = pool, ones: np.ndarray = ones) -> float:
            return float(qualities(is_right(pool, rows, "knn", False)[None], pool.truth, ones)[0, 0])

        curve.append([quality(taken(pool, int(size), 0.0, rng)) for size in SIZES])
        policy.append(quality(taken(pool, N_TAKEN, evenness, rng)))
    levels = monotone(np.mean(curve, axis=0)[None], np.ones(len(SIZES)))
    truth = matching_size(SIZES, levels, np.array([np.mean(policy)]), N)[0] / N_TAKEN
    held, told = 0, Counter[str]()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        pool = world.pool(m, rng)
        ranked = taken(pool, N_TAKEN, evenness, rng)
        found = judged(pool, ranked, ranked, "knn", trial).multiplier
        held += found.low <= truth <= found.high
        told[found.told] += 1
    print(f"evenness {evenness}, {m} evaluated: true multiplier {truth:.2f}, held {held} of {trials}, {dict(told)}")


def timed(n: int, dims: int, m: int) -> None:
    """Features, and both weightings against random, deduplicated and last."""
    rng = np.random.default_rng(0)
    features, labels = World.of(0, dims, near=0.12).drawn(n + m, rng)
    embeddings = features.astype(np.float16)
    started = time.monotonic()
    found = judge_features(embeddings, np.arange(n))
    print(f"features {time.monotonic() - started:.1f} s")
    pool = JudgedPool(found[:n], labels[:n], np.ones(n), found[n:], labels[n:], N_CLASSES)
    ranked, old = (taken(pool, n // 2, 0.5, rng) for _ in range(2))
    last = LastVersion(old, pool.labels, pool.weights, np.ones(m, np.bool_))
    for weighted in (False, True):
        distinct = np.arange(0, n - n // 10)
        judging = Judging(FeatureProbe("logistic"), 5, 20_000, 0)
        worth = worth_of_version(pool, np.arange(m), ranked, distinct, last, judging, weighted)
        print(f"{'class-weighted' if weighted else 'plain'}: {worth.multiplier}, {worth.random.verdict}")
        print(f"{time.monotonic() - started:.1f} s, processor {time.process_time():.1f} s")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("equal", "coverage", "time"))
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--evaluated", type=int, default=200)
    parser.add_argument("--probe", choices=("knn", "logistic"), default="knn")
    asked = parser.parse_args()
    if asked.what == "equal":
        equal(asked.trials, asked.evaluated, asked.probe)
    elif asked.what == "coverage":
        for evenness in (0.0, 0.1, 0.2):
            coverage(asked.trials, asked.evaluated, evenness)
    else:
        timed(10_000, 1280, 500)


if __name__ == "__main__":
    main()
