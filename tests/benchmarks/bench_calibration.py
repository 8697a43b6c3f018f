"""What pseudo-labels promise of themselves, and what is true: python tests/benchmarks/bench_calibration.py [--write]

Pools are drawn as in bench_labels.py, from CIFAR-10 embedded by each --embeddings file, and from the handwritten digits
of scikit-learn as they are. Ours is the default, with the policy `fixed` at .8, .9 and .95. Peers see the same
embeddings: scikit-learn's LogisticRegression as it comes, on embeddings as they are and standardised, and its
LabelSpreading (knn, 7) at unit length. ECE: in 15 bins of equal width, over the samples without a label (Guo et al.
2017, eq. 3). "At 90 %": the largest share of them that is right nine times in ten, surest first, which only the truth
can tell.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_labels import KINDS, Ints
from evidence_page import EVIDENCE, write_places
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.label_spreading import combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

COUNTS = (1, 4, 10)
PROMISED = (0.8, 0.9, 0.95)
N_BINS = 15
Floats = npt.NDArray[np.float64]
Row = dict[str, float | str]


def pools(truth: Ints, kind: str, seed: int) -> Iterator[tuple[int, Ints, Ints]]:
    """Yield labels a class, rows, and the labels given of them (-1: none)."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    most = np.bincount(truth).min() * 5 // 2 if len(truth) < 5000 else None
    even, head = (100, most or 0) if most else (500, 2000)
    sizes = [even if kind == "balanced" else int(head * 100 ** (-c / 9)) for c in range(10)]
    members = [rng.permutation(np.flatnonzero(truth == c))[:size] for c, size in enumerate(sizes)]
    rows = np.sort(np.concatenate(members))
    order = rng.permutation(len(rows))
    for n_each in COUNTS:
        given = np.full(len(rows), -1, np.int64)
        for c in range(10):
            of_class = order[truth[rows[order]] == c]
            given[of_class[: max(1, min(n_each, len(of_class) // 2))]] = c
        yield n_each, rows, given


def judge(name: str, said: Floats, label: Ints, truth: Ints) -> Row:
    """Score probabilities (n, n_classes) of samples without a label; `label` is what is given to them."""
    sure, top = said.max(axis=1), said.argmax(axis=1)
    right = top == truth
    bins = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    ece = sum(abs(float(sure[bins == b].sum() - right[bins == b].sum())) for b in range(N_BINS)) / len(sure)
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    at_90 = np.flatnonzero(share >= 0.9)
    row: Row = {"method": name, "accuracy": float(right.mean()), "ece": ece, "nll": nll(said, truth)}
    row["recall"] = float(np.mean([(label[truth == c] == c).mean() for c in np.unique(truth)]))
    row["at_90"] = float((at_90[-1] + 1) / len(order)) if len(at_90) else 0.0
    for promised in PROMISED:
        taken = sure >= promised
        row[f"taken_{promised}"] = float(taken.sum())
        row[f"right_{promised}"] = float(right[taken].sum())
    row["n"] = float(len(sure))
    return row


def nll(said: Floats, truth: Ints) -> float:
    """The mean negative logarithm of the truth's probability."""
    return float(-np.log(np.maximum(said[np.arange(len(truth)), truth], 1e-12)).mean())


def measure(data: str, kind: str, seed: int, alone: bool, counts: Sequence[int] = COUNTS) -> list[Row]:
    """Judge all methods on a pool, with each of these numbers of labels."""
    embeddings, truth = load(data)
    combine, found = LabelsConfig().combine, []
    graph, makers, before = None, {}, None
    for n_each, rows, given in pools(truth, kind, seed):
        if n_each not in counts:
            continue
        pool, hidden = embeddings[rows], given < 0
        if before is None:
            graph = neighbor_graph(pool, 20)
            makers = {name: MAKERS[name]().fit(LabelPool(pool, 10, graph)) for name in combine}
            before = rows
        judged = {name: predict(make, given, 10) for name, make in makers.items()}
        ours = combine_predictions(judged, given, combine)
        said = {"Windrow": (ours.confidence.astype(np.float64), ours.label)}
        if alone:
            for name in combine:
                one = combine_predictions({name: judged[name]}, given, (name,))
                said[f"{name} alone"] = (one.confidence.astype(np.float64), one.label)
            standard = (pool - pool.mean(axis=0)) / (pool.std(axis=0) + 1e-6)
            for peer, x in {"LogisticRegression": pool, "LogisticRegression, standardised": standard}.items():
                p = LogisticRegression(max_iter=300).fit(x[~hidden], given[~hidden]).predict_proba(x)
                said[peer] = (p, p.argmax(axis=1))
            units = unit_rows(pool)[0]
            spread = LabelSpreading("knn", n_neighbors=7, max_iter=100).fit(units, given).label_distributions_
            p = np.where(np.isfinite(spread) & (spread.sum(axis=1, keepdims=True) > 0), spread, 0.1)
            said["LabelSpreading"] = (p, p.argmax(axis=1))
        for name, (p, label) in said.items():
            row = judge(name, p[hidden], np.asarray(label)[hidden], truth[rows][hidden])
            found.append({"data": Path(data).stem, "kind": kind, "n_each": n_each, "seed": seed, **row})
    return found


def load(data: str) -> tuple[npt.NDArray[np.float32], Ints]:
    """Read embeddings and classes."""
    if data == "digits":
        digits = load_digits()
        return digits.data.astype(np.float32), digits.target.astype(np.int64)
    file = np.load(data)
    return file["embeddings"].astype(np.float32), file["labels"].astype(np.int64)


def table(rows: Sequence[Row]) -> str:
    """The table: a row a cell and method, means over the pools with 95 % intervals."""
    cells: dict[tuple[str, str, float], dict[str, list[Row]]] = {}
    for row in rows:
        cell = (str(row["data"]), str(row["kind"]), float(row["n_each"]))
        cells.setdefault(cell, {}).setdefault(str(row["method"]), []).append(row)
    head = ["pool", "labels a class", "method", "right, %", "ECE", "at 90 %, %", *(f"{p:g}" for p in PROMISED), "kept"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for (data, kind, n_each), methods in sorted(cells.items()):
        for name, found in methods.items():
            told = [f"{data}, {kind}", f"{n_each:g}", name, _mean(found, "accuracy", 100)]
            told += [_mean(found, "ece", 1, ".3f"), _mean(found, "at_90", 100)]
            told += [_kept_promise(found, promised) for promised in PROMISED]
            lines.append(f"| {' | '.join([*told, _share_kept(found)])} |")
    return "\n".join(lines) + "\n"


def _mean(rows: Sequence[Row], name: str, factor: float, form: str = ".1f") -> str:
    values = factor * np.array([float(row[name]) for row in rows])
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():{form}} ± {half:{form}}"


def _kept_promise(rows: Sequence[Row], promised: float) -> str:
    taken, right = (sum(float(row[f"{name}_{promised}"]) for row in rows) for name in ("taken", "right"))
    return f"{100 * right / taken:.0f} ({100 * taken / sum(float(row['n']) for row in rows):.0f})" if taken else "none"


def _share_kept(rows: Sequence[Row]) -> str:
    kept, n = 0, 0
    for row in rows:
        for promised in PROMISED:
            taken = float(row[f"taken_{promised}"])
            if taken:
                n += 1
                slack = 2 * np.sqrt(promised * (1 - promised) / taken)
                kept += float(row[f"right_{promised}"]) / taken >= promised - slack
    return f"{kept} of {n}"


def main() -> None:
    """Measure, and make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", nargs="+", default=["digits"], help=".npz of embeddings and labels, or digits")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=200)
    parser.add_argument("--counts", type=int, choices=COUNTS, nargs="+", default=COUNTS, help="labels a class")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--out", type=Path, help="new file for each row as a line of JSON")
    parser.add_argument("--rows", type=Path, nargs="+", help="files of --out, instead of measuring")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/calibration.md")
    args = parser.parse_args()
    rows = [json.loads(line) for path in args.rows or () for line in path.read_text().splitlines()]
    rows = rows or list(
        measure_all(args.embeddings, range(args.first_seed, args.first_seed + args.seeds), args.ours_only, args.counts)
    )
    if args.out:
        args.out.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    made = table(rows)
    print(made)
    if args.write:
        write_places(EVIDENCE / "calibration.md", {"table": made})


def measure_all(data: Sequence[str], seeds: Sequence[int], ours_only: bool, counts: Sequence[int]) -> Iterator[Row]:
    """Judge all pools, one a core at a time."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        jobs = [
            processes.submit(measure, each, kind, seed, not ours_only, counts)
            for seed in seeds
            for each in data
            for kind in KINDS
        ]
        for job in jobs:
            yield from job.result()


if __name__ == "__main__":
    main()
