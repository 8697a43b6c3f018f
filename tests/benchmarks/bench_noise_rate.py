"""How many labels are called wrong, beside how many are: python tests/benchmarks/bench_noise_rate.py --embeddings FILE

Labels are made wrong by chance, to one other class and by picture (label_corruption.py), of the handwritten digits of
scikit-learn and of each .npz of `embeddings` (n, d) and `labels`. Three numbers of doubts cut the same score: what
confident learning prunes, an earlier rule (trust by squares, constant .5), and `doubts_of`.
Beside them the best cut of that score, which only the truth can choose.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_calibration import load
from intervals import told
from label_corruption import Labels, image_flips, pair_flips, symmetric

from windrow.tasks.algorithms.labels.checks.confident_learning import find_noisy
from windrow.tasks.algorithms.labels.checks.doubts import homophily
from windrow.tasks.algorithms.labels.checks.label_quality import LabelQuality, LabelQualityConfig, label_quality
from windrow.tasks.algorithms.labels.judging.judged_labels import probe_out_of_sample
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

RATES = (0.05, 0.1, 0.2, 0.4)
RULES = ("confident learning", "before", "now", "best cut")
Row = dict[str, float | str]


def corruptions(x: npt.NDArray[np.float32], truth: Labels, seed: int) -> Iterator[tuple[str, float, Labels]]:
    """Clean labels, and each kind of noise at each rate."""
    yield "none", 0.0, truth
    for rate in RATES:
        rngs = [np.random.default_rng([seed, round(100 * rate), kind]) for kind in range(3)]
        yield "by chance", rate, symmetric(truth, 10, rate, rngs[0])
        yield "to one class", rate, pair_flips(truth, 10, rate, rngs[1])
        yield "by picture", rate, image_flips(x, truth, 10, rate, rngs[2])


def before(n_pruned: int, quality: LabelQuality, graph: NeighborGraph) -> int:
    """The number of doubts of an earlier rule."""
    n, first = len(quality.judgement.score), quality.predictions.classes[:, 0]
    noise = 0.5 * (1 - homophily(graph, first)) * n
    trust = n_pruned**2 / (n_pruned**2 + noise**2) if n_pruned else 0.0
    return max(int((quality.transition.posterior < 0.5).sum()), round(trust * n_pruned))


def measure(data: str, seed: int, n: int) -> list[Row]:
    """Judge all kinds of noise on one draw of a pool."""
    x, truth = load(data)
    rows = np.sort(np.random.default_rng(seed).permutation(len(truth))[:n])
    x, truth, found = x[rows], truth[rows], list[Row]()
    graph = neighbor_graph(x, LabelQualityConfig().k)
    for kind, rate, labels in corruptions(x, truth, seed):
        first = probe_out_of_sample(x, labels, 10, LabelQualityConfig().l2)
        quality = label_quality(x, labels, 10, graph=graph, predictions=first)
        n_pruned, wrong = int(find_noisy(first, labels).sum()), labels != truth
        score, most = quality.judgement.score, (n_pruned, before(n_pruned, quality, graph), quality.doubts.most)
        for rule, number in zip(RULES, most, strict=False):
            order = np.argsort(score, kind="stable")
            flagged = order[quality.doubts.contradicted[order]][:number]
            found.append({"rule": rule, "share": len(flagged) / n, "f1": f1(wrong[flagged].sum(), len(flagged), wrong)})
        cuts = [f1(hits, 1 + i, wrong) for i, hits in enumerate(wrong[np.argsort(score, kind="stable")].cumsum())]
        best = int(np.argmax(cuts)) + 1 if wrong.any() else 0
        found.append({"rule": "best cut", "share": best / n, "f1": max(cuts)})
        for row in found[-4:]:
            row.update(data=Path(data).stem, seed=seed, kind=kind, rate=rate)
    return found


def f1(hits: float, flagged: int, wrong: npt.NDArray[np.bool_]) -> float:
    """2 hits over the number of labels called wrong plus the number that are."""
    return float(2 * hits / max(flagged + wrong.sum(), 1))


def table(rows: Sequence[Row]) -> str:
    """A row a pool, kind and rate; a column a rule: the share called wrong and F1, in %."""
    cells: dict[tuple[str, str, float], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[str(row["data"]), str(row["kind"]), float(row["rate"])][str(row["rule"])].append(row)
    lines = [f"| pool | noise | wrong, % | {' | '.join(RULES)} |", "|---|---|---|" + "---|" * len(RULES)]
    for (data, kind, rate), of_rule in sorted(cells.items()):
        shares = " | ".join(_told(of_rule[rule], rate) for rule in RULES)
        lines.append(f"| {data} | {kind} | {100 * rate:.0f} | {shares} |")
    return "\n".join([*lines, "", *_differences(rows)])


def _told(rows: Sequence[Row], rate: float) -> str:
    share = f"{100 * np.mean([float(row['share']) for row in rows]):.1f}"
    return f"{share} / {100 * np.mean([float(row['f1']) for row in rows]):.1f}" if rate else share


def _differences(rows: Sequence[Row]) -> Iterator[str]:
    """Draw by draw: F1 where labels are wrong, and how far the share called wrong is from the share that is."""
    for data in sorted({str(row["data"]) for row in rows}):
        by: dict[str, dict[float, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in (row for row in rows if row["data"] == data):
            by[str(row["rule"])][float(row["seed"])].append(row)
        for other in RULES[:2]:
            gain = [100 * (_f1(by["now"][seed]) - _f1(by[other][seed])) for seed in by["now"]]
            off = [100 * (_off(by["now"][seed]) - _off(by[other][seed])) for seed in by["now"]]
            more, farther = (told(each, sign="+") for each in (gain, off))
            yield f"- {data}: F1 {more} points, distance from the rate {farther} points, of {other}."


def _f1(rows: Sequence[Row]) -> float:
    return float(np.mean([float(row["f1"]) for row in rows if row["rate"]]))


def _off(rows: Sequence[Row]) -> float:
    return float(np.mean([abs(float(row["share"]) - float(row["rate"])) for row in rows]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", nargs="+", default=["digits"], help=".npz of embeddings and labels, or digits")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=300)
    parser.add_argument("--samples", type=int, default=1200, help="how many of the images each seed draws")
    parser.add_argument("--out", type=Path, help="new file for each row as a line of JSON")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        jobs = [processes.submit(measure, data, seed, args.samples) for seed in seeds for data in args.embeddings]
        rows = [row for job in jobs for row in job.result()]
    if args.out:
        args.out.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    print(table(rows))


if __name__ == "__main__":
    main()
