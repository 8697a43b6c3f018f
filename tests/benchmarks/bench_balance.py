"""Whether estimated class shares and balances hold the truth: python tests/benchmarks/bench_balance.py [--write]

Pools of ten classes whose sizes fall from the first to the last by a factor of 1, 10 or 100, of which 4, 10 or 30
samples of each class (half of it at most) come with a label, so labels are not distributed as the pool is. Gaussians
of 32 dimensions with a covariance of their own each, and with --features (.npy, n x d) and --labels (.npy, n)
CIFAR-10, its classes in another order for each seed. Of each pool a fifth is selected: at random, evenly over 60
clusters, greedily by expected class counts, and the surest of each class; the last two by probabilities that saw the
same labels. Each interval is compared with the true classes, which the estimate does not see. Counting each sample's
most probable class is the baseline. --write puts the tables into docs/evidence/balance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evidence_page import EVIDENCE, write_places

from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.labels.class_shares import ClassShares, class_shares
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.selection.balance import normalised_entropy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
N_CLASSES, TAILS, COUNTS, LARGEST, FIFTH = 10, (1, 10, 100), (4, 10, 30), {1: 200, 10: 500, 100: 800}, 0.2


@dataclass(frozen=True)
class Case:
    """A pool, its truth, and the labels that are given of it (-1: none)."""

    kind: str
    tail: int
    n_each: int
    embeddings: Floats
    truth: Ints
    given: Ints


def gaussians(rng: np.random.Generator, sizes: Sequence[int], d: int = 32) -> Floats:
    """Samples of each class in turn, about 85 % of which a probe gets right."""
    means = rng.normal(size=(len(sizes), d)) * 2.6 / np.sqrt(d)
    shapes = rng.normal(size=(len(sizes), d, d)) * 0.5 / np.sqrt(d) + 0.6 * np.eye(d)
    drawn = [
        mean + rng.normal(size=(size, d)) @ shape.T for mean, shape, size in zip(means, shapes, sizes, strict=True)
    ]
    return np.concatenate(drawn).astype(np.float32)


def cases(kinds: dict[str, tuple[Floats, Ints] | None], seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every kind of pool with every tail and number of labels, for each seed."""
    for kind, data in kinds.items():
        for tail in TAILS:
            sizes = [int(LARGEST[tail] * tail ** (-c / (N_CLASSES - 1))) for c in range(N_CLASSES)]
            for seed in seeds:
                rng = np.random.default_rng([seed, tail, len(kind)])
                truth = np.repeat(np.arange(N_CLASSES), sizes)
                if data is None:
                    embeddings = gaussians(rng, sizes)
                else:
                    order = rng.permutation(N_CLASSES)
                    members = [rng.permutation(np.flatnonzero(data[1] == order[c]))[:n] for c, n in enumerate(sizes)]
                    embeddings = data[0][np.concatenate(members)]
                mixed = rng.permutation(len(truth))
                embeddings, truth = embeddings[mixed], truth[mixed]
                for n_each in COUNTS:
                    given = np.full(len(truth), -1, np.int64)
                    for c, size in enumerate(sizes):
                        given[np.flatnonzero(truth == c)[: min(n_each, size // 2)]] = c
                    yield Case(kind, tail, n_each, embeddings, truth, given)


def selections(case: Case, seed: int) -> tuple[dict[str, npt.NDArray[np.bool_]], Ints]:
    """The pool and what is selected of it; and the most probable class of each sample."""
    n, rng = len(case.truth), np.random.default_rng(seed)
    size = int(FIFTH * n)
    p = logistic_probe(case.embeddings, case.given, N_CLASSES)
    known = case.given >= 0
    p[known] = np.eye(N_CLASSES, dtype=np.float32)[case.given[known]]
    best, mixed = p.argmax(axis=1), rng.permutation(n)
    surest = [np.flatnonzero(best == c)[np.argsort(-p[best == c, c])][: size // N_CLASSES] for c in range(N_CLASSES)]
    clusters = kmeans(case.embeddings, 60, seed=seed).assignment
    place = np.empty(n)
    for cluster in range(60):
        members = mixed[clusters[mixed] == cluster]
        place[members] = np.arange(len(members))
    chosen = {
        "random": mixed[:size],
        "even over clusters": np.argsort(place, kind="stable")[:size],
        "greedy": greedy(p, size),
        "surest of each class": np.concatenate(surest),
    }
    sets = {name: np.isin(np.arange(n), rows) for name, rows in chosen.items()}
    return {"pool": np.ones(n, bool), **sets}, best


def greedy(p: Floats, size: int, n_steps: int = 20) -> Ints:
    """Rows by the sum of p / expected count of the class, in steps."""
    counts, left, found = np.full(p.shape[1], 1.0), np.ones(len(p), bool), list[Ints]()
    for _ in range(n_steps):
        found.append(np.argsort(-np.where(left, p @ (1 / counts), -1))[: size // n_steps])
        left[found[-1]] = False
        counts += p[found[-1]].sum(axis=0)
    return np.concatenate(found)


def judged(found: ClassShares, truth: Ints, counted: Ints) -> list[float]:
    """Whether the balance is held, and which share of the shares; the truth, errors of both, half-width."""
    true = np.bincount(truth, minlength=N_CLASSES) / len(truth)
    balance, told = normalised_entropy(true), found.balance
    return [
        float(told.low <= balance + 1e-9 and balance <= told.high + 1e-9),
        float(((found.low <= true + 1e-9) & (true <= found.high + 1e-9)).mean()),
        balance,
        abs(told.value - balance),
        abs(normalised_entropy(np.bincount(counted, minlength=N_CLASSES)) - balance),
        (told.high - told.low) / 2,
        float(np.abs(found.share - true).sum() / 2),
    ]


HEAD = ("balance held, %", "shares held, %", "true balance", "error", "error of counting", "half-width", "shares amiss")


def table(first: Sequence[str], cells: dict[tuple[str, ...], list[list[float]]]) -> str:
    """Markdown: the number of trials, and means over them."""
    lines = [f"| {' | '.join([*first, 'trials', *HEAD])} |", "|" + " --- |" * (len(first) + 1 + len(HEAD))]
    for names, values in cells.items():
        mean = np.mean(values, axis=0)
        said = [f"{100 * mean[0]:.1f}", f"{100 * mean[1]:.1f}", *(f"{value:.3f}" for value in mean[2:])]
        lines.append(f"| {' | '.join([*names, str(len(values)), *said])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, help="CIFAR-10's embeddings, .npy")
    parser.add_argument("--labels", type=Path, help="their classes, .npy")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="write docs/evidence/balance.md")
    args = parser.parse_args()
    kinds: dict[str, tuple[Floats, Ints] | None] = {"Gaussians": None}
    if args.features:
        kinds["CIFAR-10"] = (np.load(args.features), np.load(args.labels).astype(np.int64))
    by_set: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    by_pool: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    pools, started = 0, time.perf_counter()
    for case in cases(kinds, range(args.first_seed, args.first_seed + args.seeds)):
        pools += 1
        sets, counted = selections(case, 0)
        found = class_shares(case.embeddings, case.given, N_CLASSES, sets)
        for name, rows in sets.items():
            values = judged(found[name], case.truth[rows], counted[rows])
            by_set[case.kind, str(case.n_each), name].append(values)
            by_pool[case.kind, f"1 : {case.tail}", str(case.n_each)].append(values)
            by_set["all", "all", "all"].append(values)
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores"
    made = {
        "machine": f"{pools} pools, {args.seeds} seeds; {time.perf_counter() - started:.0f} s on {machine}.\n",
        "sets": f"## By what was selected\n\n{table(('pools', 'labels a class', 'set'), by_set)}",
        "pools": f"## By pool (its five sets together)\n\n{table(('pools', 'tail', 'labels a class'), by_pool)}",
    }
    print("\n".join(made.values()))
    if args.write:
        write_places(EVIDENCE / "balance.md", made)


if __name__ == "__main__":
    main()
