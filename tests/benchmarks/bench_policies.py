"""What each selection policy costs: python tests/benchmarks/bench_policies.py [--n 20000 100000] [--dim 128]

Samples are drawn from a Gaussian mixture with a long tail; clusters are those of the draw, in a tree like the one that
`propose_levels` would have: 10 samples in a finest cluster on average, 4.5 times fewer clusters a level. Each policy
ranks the same candidates `--repeats` times; the least processor time counts, of one thread (OMP_NUM_THREADS=1 for
less noise on a shared machine). A million is extrapolated by the growth between the two sizes. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import platform
from itertools import pairwise
from time import process_time

import numpy as np

from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.selection_policy import Candidates, SelectionPolicy

N_CLASSES, N_NEIGHBORS, N_TARGETS = 100, 20, 1000
MILLION = 1_000_000


def candidates_of(n: int, dim: int, expressions: tuple[str, ...]) -> Candidates:
    rng = np.random.default_rng(n)
    levels = [n // 10]
    while levels[-1] / 4.5 > n**0.5 / 2:
        levels.append(round(levels[-1] / 4.5))
    share = 1 / np.arange(1, levels[0] + 1) ** 0.5
    paths = [rng.choice(levels[0], n, p=share / share.sum())]
    for below, k in pairwise(levels):
        paths.append(rng.integers(k, size=below)[paths[-1]])
    centers = rng.normal(size=(levels[-1], dim)).astype(np.float32)
    embeddings = centers[paths[-1]] + rng.normal(size=(n, dim)).astype(np.float32)
    first = rng.integers(N_CLASSES, size=n)
    sure = rng.uniform(0.5, 1, n).astype(np.float32)
    return Candidates(
        sample_ids=np.array([f"{number:032x}" for number in range(n)]),
        paths=np.stack(paths, axis=1).astype(np.int32),
        distance=rng.random(n, dtype=np.float32),
        embeddings=embeddings.astype(np.float16),
        similarity=np.sort(rng.random((n, N_NEIGHBORS), dtype=np.float32), axis=1)[:, ::-1],
        probabilities=SparseProbabilities(
            np.stack([first, (first + 1) % N_CLASSES], axis=1), np.stack([sure, 1 - sure], axis=1), N_CLASSES
        ),
        columns={expression: rng.random(n) for expression in expressions},
        targets=embeddings[:N_TARGETS].astype(np.float16),
    )


def seconds(policy: SelectionPolicy, candidates: Candidates, repeats: int) -> float:
    """The least processor time of a ranking."""
    found = []
    for _ in range(repeats):
        start = process_time()
        policy.rank(candidates, 0)
        found.append(process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs=2, default=[20_000, 100_000], help="samples, two sizes")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(POLICIES), choices=list(POLICIES))
    asked = parser.parse_args()
    policies = {name: POLICIES[name]() for name in dict.fromkeys(["balanced", *asked.only])}
    expressions = tuple({expression for policy in policies.values() for expression in policy.expressions})
    sizes = sorted(asked.n)
    pools = [candidates_of(n, asked.dim, expressions) for n in sizes]
    took = {name: [seconds(policy, pool, asked.repeats) for pool in pools] for name, policy in policies.items()}
    print(f"{platform.processor() or platform.machine()}, NumPy {np.__version__}, {asked.dim} dimensions\n")
    print("| policy | " + " | ".join(f"{n:,}" for n in sizes) + f" | {MILLION:,} (extrapolated) | of `balanced` |")
    print("|---|" + "---|" * (len(sizes) + 2))
    at_million = {name: extrapolated(sizes, times) for name, times in took.items()}
    for name, times in took.items():
        cells = [f"{time:.2f} s" for time in (*times, at_million[name])]
        print(f"| `{name}` | {' | '.join(cells)} | {at_million[name] / at_million['balanced']:.1f} |", flush=True)


def extrapolated(sizes: list[int], times: list[float]) -> float:
    """Seconds for a million, if time goes on growing by the power that it grew by; at least linearly."""
    power = max(np.log(times[1] / times[0]) / np.log(sizes[1] / sizes[0]), 1.0)
    return float(times[1] * (MILLION / sizes[1]) ** power)


if __name__ == "__main__":
    main()
