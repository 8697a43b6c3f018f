"""How far a kept judgement is from tonight's: python tests/benchmarks/bench_kept_worth.py --embeddings FILE.npz

The file has `embeddings` (n, d) and `labels` (n,), as `bench_refit.py` takes them. Pools of 4,000 with a long tail
(30 : 1) lack a share of their samples at first; a fifth of each is selected, every class in turn, and judged by 500
samples that are in neither. What a night keeps is the judgement of the first set; beside it stands that of the second.
In the row of 0 % both are the same set, compared with other random sets: so far apart are two judgements in any case.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from intervals import told

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.worth.comparison import Difference
from windrow.tasks.algorithms.worth.set_probe import FeatureProbe, JudgedPool, judge_features
from windrow.tasks.algorithms.worth.version_worth import Judging, worth_of_version
from windrow.tasks.worth.worth_config import WorthConfig

N, N_JUDGES, TAIL, SELECTED, FIRST_SEED = 4000, 500, 30, 0.2, 200


@dataclass(frozen=True)
class Drawn:
    """Rows of the file: those of a pool, in the order in which they come, and those that judge."""

    rows: Int64Array
    judges: Int64Array


def drawn(truth: Int64Array, seed: int) -> Drawn:
    """A pool with a long tail, and samples that judge, as many of each class."""
    rng = np.random.default_rng(seed)
    n_classes = int(truth.max()) + 1
    shares = TAIL ** (-np.arange(n_classes) / (n_classes - 1))
    sizes = np.round(N * shares / shares.sum()).astype(int)
    rows, judges = [], []
    for label, size in zip(rng.permutation(n_classes), sizes, strict=True):
        found = rng.permutation(np.flatnonzero(truth == label))
        judges.append(found[: N_JUDGES // n_classes])
        rows.append(found[N_JUDGES // n_classes :][:size])
    return Drawn(rng.permutation(np.concatenate(rows)), np.concatenate(judges))


def selected(labels: Int64Array, keys: npt.NDArray[np.float64]) -> Int64Array:
    """Rows by rank: the classes in turn, in each by key; a fifth of all."""
    order = np.lexsort((keys, labels))
    turn = np.empty(len(labels), np.int64)
    turn[order] = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    found: Int64Array = np.lexsort((keys, turn))[: int(SELECTED * len(labels))]
    return found


def judged(
    features: npt.NDArray[np.float32], truth: Int64Array, rows: Int64Array, judges: Int64Array, seed: int, draw: int
) -> tuple[Difference, Int64Array]:
    """What the selection of these rows is worth against random ones, drawn by `draw`, and which rows it is."""
    n_classes = int(truth.max()) + 1
    pool = JudgedPool(features[rows], truth[rows], np.ones(len(rows)), features[judges], truth[judges], n_classes)
    keys = np.random.default_rng(seed).random(len(features))[rows]
    ranked, config = selected(truth[rows], keys), WorthConfig()
    judging = Judging(FeatureProbe("logistic"), config.n_seeds, config.largest, draw)
    found = worth_of_version(pool, np.arange(len(judges)), ranked, np.arange(len(rows)), None, judging, False)
    return found.random, rows[ranked]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, help="an .npz of embeddings and labels")
    parser.add_argument("--seeds", type=int, default=10, help="pools")
    chosen = parser.parse_args()
    with np.load(chosen.embeddings) as arrays:
        truth = arrays["labels"].astype(np.int64)
        features = judge_features(arrays["embeddings"].astype(np.float32), np.arange(len(truth)))
    print("| pool new | set changed | tonight - kept, points | largest | half an interval, points | same verdict |")
    print("|---|---|---|---|---|---|")
    for share in (0.0, 0.01, 0.05, 0.09):
        apart, wide, changed, same = [], [], [], 0
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.seeds):
            pool = drawn(truth, seed)
            n_before = int(len(pool.rows) * (1 - share))
            (kept, before), (tonight, now) = (
                judged(features, truth, rows, pool.judges, seed, draw)
                for rows, draw in ((pool.rows[:n_before], seed), (pool.rows, seed if share else seed + 10_000))
            )
            gains = [100 * (each.quality - each.other) for each in (kept, tonight)]
            apart.append(gains[1] - gains[0])
            wide.append(50 * (kept.high - kept.low))
            changed.append(1 - len(np.intersect1d(before, now)) / len(np.union1d(before, now)))
            same += kept.verdict == tonight.verdict
        cells = [f"{share:.0%}", f"{np.mean(changed):.1%}", told(apart, 2, "+")]
        cells += [f"{np.abs(apart).max():.1f}", f"{np.mean(wide):.1f}", f"{same} of {len(apart)}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
