"""How well a few labels are spread, by us and by scikit-learn: python tests/benchmarks/bench_labels.py [--write]

Pools are drawn from CIFAR-10, embedded by MobileNetV2 at 96 pixels: balanced (500 of each class) and long-tailed
(class c keeps 2000 x 100^(-c / 9), in the order of classes.txt). Of each class 1, 4, 10 or 100 samples are labelled,
half of it at most; all is scored on the others. scikit-learn sees the same embeddings at unit length, each of its
methods with the best of a few settings for each cell: settings that only the truth could choose, which ours are not
given. The seeds are not those that our defaults were chosen with. --embeddings: an .npz of `embeddings` (n, d) and
`labels`, instead of embedding the images anew. --write puts the tables into docs/evidence/labels.md.
"""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evidence_page import EVIDENCE, write_places
from rich.console import Console
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.deciding import POLICIES
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Decision, decide
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.label_spreading import combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

TITLES = {
    "recall": "Macro recall of the samples without a label, %: mean ± deviation over the seeds",
    "gains": "By how many points of macro recall the default exceeds its peers",
    "accuracy": "Accuracy, %",
    "makers": "Each maker alone, calibrated: coverage / accuracy of what it labels at 0.8 or more, %",
    "policies": "The default's policies: coverage / accuracy of what is labelled, %",
}
COUNTS = (1, 4, 10, 100)
KINDS = ("balanced", "long-tailed")
DECIDED: tuple[tuple[str, float], ...] = (
    ("none", 0.0), ("fixed", 0.8), ("fixed", 0.95), ("class-wise", 0.8), ("self-adaptive", 0.5), ("soft", 0.5)
)  # fmt: skip
PEERS = {
    "scikit-learn LabelSpreading": (
        LabelSpreading("knn", n_neighbors=7, max_iter=100),
        LabelSpreading("knn", n_neighbors=20, max_iter=100),
        LabelSpreading("rbf", gamma=20, max_iter=100),
    ),
    "scikit-learn LogisticRegression": (
        LogisticRegression(C=1, max_iter=2000, class_weight="balanced"),
        LogisticRegression(C=1, max_iter=2000),
        LogisticRegression(C=10, max_iter=2000, class_weight="balanced"),
    ),
}
Ints = npt.NDArray[np.int64]
AS_IT_COMES = {"scikit-learn LabelSpreading": 2, "scikit-learn LogisticRegression": 1}  # which is near its defaults
SPECIAL = ("zero_shot", "sources")  # which need texts, or several sources
TOO_SLOW = ("iterative",)  # to be judged on held-out labels too, half a minute each time
Cell = tuple[str, int]
say = Console(stderr=True).log


@dataclass(frozen=True)
class Case:
    """A pool, its truth, and the labels that are given of it (-1: none)."""

    kind: str
    n_each: int
    embeddings: npt.NDArray[np.float32]
    graph: NeighborGraph
    makers: Mapping[str, Predict]
    truth: Ints
    given: Ints

    def recall(self, predicted: Ints) -> float:
        """Macro recall over the samples without a label."""
        hidden = self.given < 0
        return float(np.mean([(predicted[hidden & (self.truth == c)] == c).mean() for c in np.unique(self.truth)]))

    def accuracy(self, predicted: Ints) -> float:
        """The share of the samples without a label that is right."""
        return float((predicted == self.truth)[self.given < 0].mean())


def cases(
    embeddings: npt.NDArray[np.float32],
    truth: Ints,
    seeds: Sequence[int],
    kinds: Sequence[str] = KINDS,
    names: Sequence[str] | None = None,
) -> Iterator[Case]:
    """Yield every kind of pool with every number of labels, for each seed, and these makers; None: all that can be."""
    chosen = [name for name in MAKERS if name not in SPECIAL] if names is None else names
    for kind in kinds:
        for seed in seeds:
            rng = np.random.default_rng([seed, KINDS.index(kind)])
            sizes = [500 if kind == "balanced" else int(2000 * 100 ** (-c / 9)) for c in range(10)]
            members = [rng.permutation(np.flatnonzero(truth == c))[:size] for c, size in enumerate(sizes)]
            rows = np.sort(np.concatenate(members))
            pool = embeddings[rows]
            graph = neighbor_graph(pool, 20)
            # Made once a pool: clusters do not depend on the labels, which only name them.
            makers = {name: MAKERS[name]().fit(LabelPool(pool, 10, graph)) for name in chosen}
            order = rng.permutation(len(rows))
            for n_each in COUNTS:
                given = np.full(len(rows), -1, np.int64)
                for c, size in enumerate(sizes):
                    given[order[truth[rows[order]] == c][: min(n_each, size // 2)]] = c
                yield Case(kind, n_each, pool, graph, makers, truth[rows], given)


def peer(case: Case, model: LabelSpreading | LogisticRegression) -> Ints:
    """What a model of scikit-learn says of every sample."""
    units = unit_rows(case.embeddings)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # LabelSpreading divides by 0 where no label arrives
        if isinstance(model, LabelSpreading):
            return np.asarray(model.fit(units, case.given).transduction_)
        known = case.given >= 0
        return np.asarray(model.fit(units[known], case.given[known]).predict(units))


class Results:
    """Scores by table, row and cell, one for each seed."""

    def __init__(self) -> None:
        self.scores: dict[str, dict[str, dict[Cell, list[npt.NDArray[np.float64]]]]] = {}

    def add(self, table: str, row: str, case: Case, *values: float) -> None:
        """Add what one seed gave."""
        self.extend(table, row, (case.kind, case.n_each), [np.array(values)])

    def extend(self, table: str, row: str, cell: Cell, values: Sequence[npt.NDArray[np.float64]]) -> None:
        """Add what several seeds gave."""
        self.scores.setdefault(table, {}).setdefault(row, {}).setdefault(cell, []).extend(values)

    def join(self, other: Results) -> None:
        """Add all that another has."""
        for table, rows in other.scores.items():
            for row, cells in rows.items():
                for cell, values in cells.items():
                    self.extend(table, row, cell, values)

    def mean(self, table: str, row: str, cell: Cell) -> npt.NDArray[np.float64]:
        """Mean over the seeds."""
        return np.asarray(np.mean(self.scores[table][row][cell], axis=0))

    def copy(self, table: str, row: str, name: str) -> None:
        """Give a row another name too."""
        self.scores[table][name] = self.scores[table][row]

    def less(self, to: str, table: str, row: str, other: str) -> None:
        """Write by how much a row exceeds another, seed by seed, into the table `to`; nothing where one is missing."""
        for cell, values in self.scores[table].get(row, {}).items():
            away = [value - less for value, less in zip(values, self.scores[table][other][cell], strict=True)]
            self.extend(to, f"more than {other}", cell, away)

    def best_of(self, table: str, rows: Sequence[str], name: str) -> None:
        """Replace rows by the one that is best in each cell."""
        for cell in self.scores[table][rows[0]]:
            best = max(rows, key=lambda row: float(self.mean(table, row, cell)[0]))
            self.extend(table, name, cell, self.scores[table][best][cell])
        for row in rows:
            del self.scores[table][row]

    def markdown(self, table: str, title: str) -> str:
        """A table of mean ± standard deviation in percent, or of the means where there are several values."""
        head = ["", *(f"{kind}, {n}" for kind in KINDS for n in COUNTS)]
        lines = [f"## {title}", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
        for row, cells in self.scores.get(table, {}).items():
            said = []
            for kind in KINDS:
                for n in COUNTS:
                    if (kind, n) not in cells:
                        said.append("")
                        continue
                    values = 100 * np.array(cells[(kind, n)], dtype=np.float64)
                    mean, spread = values.mean(axis=0), values.std(axis=0)
                    alone = len(mean) == 1
                    said.append(f"{mean[0]:.1f} ± {spread[0]:.1f}" if alone else " / ".join(f"{v:.0f}" for v in mean))
            lines.append(f"| {row} | {' | '.join(said)} |")
        return "\n".join(lines) + "\n"


def measure(case: Case, results: Results, names: Sequence[str] | None) -> None:
    """Score all methods on a case; of the makers, these and the default's, all where there is None."""
    combine = LabelsConfig().combine
    known, everyone = case.given[case.given >= 0], np.arange(len(case.given))
    wanted = {name: make for name, make in case.makers.items() if names is None or name in (*names, *combine)}
    judged = {name: predict(make, case.given, 10) for name, make in wanted.items() if name not in TOO_SLOW}
    spread = combine_predictions({name: judged[name] for name in combine}, case.given, combine)
    results.add("recall", "**Windrow's default**", case, case.recall(spread.label))
    results.add("accuracy", "**Windrow's default**, labels for macro recall", case, case.accuracy(spread.label))
    results.add("accuracy", "the same, the most probable class", case, case.accuracy(spread.confidence.argmax(axis=1)))
    for name, make in wanted.items():
        pool = judged[name].pool if name in judged else make(case.given, everyone)
        results.add("recall", name, case, case.recall(pool.argmax(axis=1)))
        results.add("accuracy", name, case, case.accuracy(pool.argmax(axis=1)))
        if name in judged:
            sure = apply_temperature(pool, fit_temperature(judged[name].held_out, known))
            results.add("makers", name, case, *covered(case, decide(sure, Fixed())))
    for name, models in PEERS.items():
        for number, model in enumerate(models):
            said = peer(case, model)
            results.add("recall", f"{name} {number}", case, case.recall(said))
            results.add("accuracy", f"{name} {number}", case, case.accuracy(said))
    for policy, value in DECIDED:
        fields = {"fixed": "threshold", "class-wise": "threshold", "self-adaptive": "floor", "soft": "spread"}
        chosen = POLICIES[policy](**({fields[policy]: value} if policy in fields else {}))
        decision = decide(spread.confidence, chosen, spread.label)
        results.add("policies", f"{policy} {value:g}" if value else policy, case, *covered(case, decision))


def covered(case: Case, decision: Decision) -> tuple[float, float]:
    """Coverage and accuracy of what is labelled of the samples without a label, weighted where a policy weighs."""
    hidden = case.given < 0
    weight = decision.weight[hidden].astype(np.float64)
    right = float((weight * (decision.label == case.truth)[hidden]).sum() / max(weight.sum(), 1e-9))
    return float(weight.mean()), right


def measure_pool(
    embeddings: npt.NDArray[np.float32], truth: Ints, kind: str, seed: int, names: Sequence[str] | None
) -> Results:
    """Score methods on one pool with every number of labels."""
    results = Results()
    needed = None if names is None else (*names, *LabelsConfig().combine)
    for case in cases(embeddings, truth, [seed], [kind], needed):
        measure(case, results, names)
    return results


def measure_all(
    embeddings: npt.NDArray[np.float32],
    truth: Ints,
    seeds: Sequence[int],
    kinds: Sequence[str],
    names: Sequence[str] | None,
    keep: Path | None,
) -> Results:
    """Score all pools, one a core at a time; what is there so far is kept in a file."""
    results, started = Results(), time.perf_counter()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started from here
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        pools = [
            processes.submit(measure_pool, embeddings, truth, kind, seed, names) for kind in kinds for seed in seeds
        ]
        for number, pool in enumerate(pools, 1):
            results.join(pool.result())
            if keep:
                keep.write_bytes(pickle.dumps(results))
            say(f"{number} of {len(pools)} pools: {time.perf_counter() - started:.0f} s")
    return results


def load(args: argparse.Namespace) -> tuple[npt.NDArray[np.float32], Ints]:
    """Read the embeddings, or make them."""
    if args.embeddings:
        file = np.load(args.embeddings)
        return file["embeddings"].astype(np.float32), file["labels"].astype(np.int64)
    from bench_cifar import embed, read_samples

    samples = read_samples(args.data)
    return embed(args.model, samples), np.array([sample.label for sample in samples], np.int64)


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, help="an .npz of embeddings and labels, instead of --data, --model")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--keep", type=Path, help="a file for what is measured so far")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument(
        "--default-only", action="store_true", help="leave the makers out that the default does not use"
    )
    parser.add_argument("--write", action="store_true", help="write docs/evidence/labels.md")
    args = parser.parse_args()
    if args.write and (args.default_only or args.kinds != KINDS):
        parser.error("--write is for all makers and kinds of pools")
    embeddings, truth = load(args)
    names = () if args.default_only else None
    results = measure_all(
        embeddings, truth, range(args.first_seed, args.first_seed + args.seeds), args.kinds, names, args.keep
    )
    for table in ("recall", "accuracy"):
        for name, models in PEERS.items():
            results.copy(table, f"{name} {AS_IT_COMES[name]}", f"{name} as it comes")
            results.best_of(table, [f"{name} {n}" for n in range(len(models))], f"{name}, best of {len(models)}")
            results.less("gains", table, "**Windrow's default**", f"{name}, best of {len(models)}")
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores; {args.seeds} seeds.\n"
    made = {"machine": machine, **{name: results.markdown(name, title) for name, title in TITLES.items()}}
    print("\n".join(made.values()))
    if args.write:
        write_places(EVIDENCE / "labels.md", made)


if __name__ == "__main__":
    main()
