"""Which samples to label first: python tests/benchmarks/bench_annotate.py [--seeds 10] [--write]

scikit-learn's 1,797 digits, pixels as unit rows; logistic regression (C = 10) fitted on the labels of the picks alone,
accuracy over all digits. Two questions. From nothing: each query, and random picks, at 10 to 100 labels. From some
labels, chosen as typical: what as many more labels (100 at most) by each query bring. The mean over the seeds, and the
95 % interval of that mean (Student's t). --write puts the tables into docs/evidence/annotate.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from evidence_page import EVIDENCE, write_places
from intervals import told
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.queries import QUERIES, query_for
from windrow.tasks.algorithms.labels.queries.label_query import LabelQuery, unit_float32_rows
from windrow.tasks.algorithms.labels.queries.uncertain import Uncertain

FIRST, STARTS, MOST_MORE = (10, 20, 40, 100), (20, 50, 100, 200, 400), 100
Pick = Callable[[Int64Array, int, int], Int64Array]


class Digits:
    """The digits, and what a label of some of them is worth."""

    def __init__(self) -> None:
        digits = load_digits()
        self.units: Float32Array = unit_float32_rows(digits.data)
        self.truth: Int64Array = digits.target.astype(np.int64)

    def accuracy(self, picks: Int64Array) -> float:
        """Accuracy over all digits of a regression fitted on these."""
        model = LogisticRegression(C=10, max_iter=2000).fit(self.units[picks], self.truth[picks])
        return float(model.score(self.units, self.truth))

    def pick(self, query: LabelQuery) -> Pick:
        """What a query picks beside rows that are labelled."""

        def picks(known: Int64Array, n: int, seed: int) -> Int64Array:
            labels = np.full(len(self.truth), -1)
            labels[known] = self.truth[known]
            return query.pick(self.units, labels, n, seed).rows

        return picks

    def at_random(self, known: Int64Array, n: int, seed: int) -> Int64Array:
        """Any others."""
        rest = np.setdiff1d(np.arange(len(self.truth)), known)
        return np.random.default_rng(seed).choice(rest, n, replace=False)


def first_labels(digits: Digits, n_seeds: int) -> list[str]:
    """The table of picks from nothing."""
    none = np.empty(0, np.int64)
    ways: dict[str, Pick] = {"random": digits.at_random}
    ways |= {name: digits.pick(QUERIES[name]()) for name in ("typical", "hard-to-contrast")}
    lines = ["| labels | " + " | ".join(ways) + " |", "|---:|" + "---|" * len(ways)]
    for n in FIRST:
        found = [told([digits.accuracy(pick(none, n, seed)) for seed in range(n_seeds)], 3) for pick in ways.values()]
        lines.append(f"| {n} | " + " | ".join(found) + " |")
        print(lines[-1], flush=True)
    return lines


def more_labels(digits: Digits, n_seeds: int) -> list[str]:
    """The table of what more labels bring."""
    none = np.empty(0, np.int64)
    typical = digits.pick(QUERIES["typical"]())
    ways: dict[str, Pick] = {
        "random": digits.at_random,
        "typical": typical,
        "uncertain": digits.pick(QUERIES["uncertain"]()),
        "uncertain, `breadth` 1": digits.pick(Uncertain(breadth=1)),
    }
    lines = [
        "| labels | more | before | " + " | ".join(ways) + " | auto takes |",
        "|---:|---:|" + "---|" * (len(ways) + 2),
    ]
    for start in STARTS:
        more = min(start, MOST_MORE)
        before = [typical(none, start, seed) for seed in range(n_seeds)]
        row = [told([digits.accuracy(known) for known in before], 3)]
        for pick in ways.values():
            after = [np.concatenate([known, pick(known, more, seed)]) for seed, known in enumerate(before)]
            row.append(told([digits.accuracy(known) for known in after], 3))
        lines.append(f"| {start} | {more} | " + " | ".join([*row, query_for(start, 10)]) + " |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    digits = Digits()
    tables = {"first": first_labels(digits, asked.seeds), "more": more_labels(digits, asked.seeds)}
    if asked.write:
        write_places(EVIDENCE / "annotate.md", {name: "\n".join(lines) for name, lines in tables.items()})


if __name__ == "__main__":
    main()
