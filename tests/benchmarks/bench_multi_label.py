"""Labels of samples of several classes, beside scikit-learn: python tests/benchmarks/bench_multi_label.py [--write]

Pools of 2,500 mosaics of CIFAR-10 (`mosaics`: one to three classes each, the commonest four times as common as the
rarest), embedded by MobileNetV2 at 160 pixels; a new pool for each seed. All is judged on the samples of which nothing
is given. The peers see the same embeddings at unit length: scikit-learn's logistic regression as it comes, one for each
class, on the samples whose state of it is known; and the same where what is not listed counts as absent. The penalty
was chosen on another pool, and so was how Elkan and Noto's method is used. --write puts the tables into
docs/evidence/multi-label.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from intervals import told
from mosaic_page import make_tables
from mosaics import N_CLASSES, embedded_mosaics
from rich.console import Console
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import PositiveOnly, StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import spread_states

N = 2500
SEEDS = range(101, 106)
PROMISES = (0.8, 0.9)
CASES = {
    "all looked for": "800 samples, in which every class was looked for",
    "half looked for": "two sources of 400 samples, each of which looked for its half of the classes",
    "present only": "800 samples, which list half of their classes at random; nobody says what was looked for",
}
ASSUMING = "Windrow, elkan-noto"
WINDROW, PEER, NEGATIVE = "Windrow", "scikit-learn, on what is known", "scikit-learn, unlisted is absent"
HALF = N_CLASSES // 2
say = Console(stderr=True).log
Matrix = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A pool, its truth, and what is given of it."""

    embeddings: Matrix
    truth: Matrix
    given: Matrix

    @property
    def open_rows(self) -> Matrix:
        """The samples of which nothing is given."""
        return np.flatnonzero((self.given == UNKNOWN).all(axis=1))

    def precision(self, probabilities: Matrix) -> float:
        """Mean average precision over the classes."""
        rows = self.open_rows
        each = [average_precision_score(self.truth[rows, c], probabilities[rows, c]) for c in range(N_CLASSES)]
        return 100 * float(np.mean(each))


def draw(name: str, embeddings: Matrix, truth: Matrix, seed: int) -> Case:
    """What is given in a case."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(truth))[:800]
    given = np.full(truth.shape, UNKNOWN, np.int8)
    given[rows] = truth[rows]
    if name == "half looked for":
        given[rows[:400], HALF:] = UNKNOWN
        given[rows[400:], :HALF] = UNKNOWN
    if name == "present only":
        given[(given == ABSENT) | (rng.random(given.shape) < 0.5)] = UNKNOWN
    return Case(embeddings, truth, given)


def peer(case: Case, unlisted_is_absent: bool) -> Matrix | None:
    """The probabilities of scikit-learn; None where a class has no absence to learn from."""
    units = unit_rows(case.embeddings)[0]
    found = np.zeros(case.truth.shape)
    listed = (case.given != UNKNOWN).any(axis=1)
    for label in range(N_CLASSES):
        states = case.given[:, label]
        seen = listed if unlisted_is_absent else states != UNKNOWN
        present = states[seen] == PRESENT
        if present.all():
            return None
        found[:, label] = LogisticRegression(max_iter=2000).fit(units[seen], present).predict_proba(units)[:, 1]
    return found


def said_by(case: Case, promise: float, seed: int, positive_only: PositiveOnly = "abstain") -> tuple[Matrix, Matrix]:
    """Windrow's probabilities and states (n, n_classes)."""
    rule = StateRule(promise=promise, positive_only=positive_only, seed=seed)
    found = list(spread_states(case.embeddings, KnownStates.of_matrix(case.given), rule))
    return np.stack([each.probability for each in found], axis=1), np.stack([each.state for each in found], axis=1)


def thresholded(probabilities: Matrix, promise: float) -> Matrix:
    """The states that a probability taken at its word has."""
    return np.where(probabilities >= promise, PRESENT, np.where(probabilities <= 1 - promise, ABSENT, UNKNOWN))


@dataclass(frozen=True)
class Judged:
    """Of the states of open samples: shares said to be present and right of these, absent and right, missed of what is
    present, in %. present, absent: of the classes in which something is said, whether the promise is broken, 1, and
    surely so, 2: by more than the judging samples leave to chance (one-sided binomial test, 5 %)."""

    shares: list[float]
    present: list[int]
    absent: list[int]


def broken(n_wrong: int, n: int, rate: float) -> int:
    """Whether there is more wrong than a rate allows, 1, and surely so, 2."""
    return int(n_wrong > rate * n) + int(stats.binom.sf(n_wrong - 1, n, rate) < 0.05)


def judged(case: Case, states: Matrix, promise: float) -> Judged:
    """Judge the states of a case."""
    said, truth = states[case.open_rows], case.truth[case.open_rows]
    present, absent = said == PRESENT, said == ABSENT
    shares = [
        present.mean(),
        truth[present].mean() if present.any() else np.nan,
        absent.mean(),
        (~truth[absent]).mean() if absent.any() else np.nan,
        (absent & truth).sum() / truth.sum(),
    ]
    rate = 1 - promise
    of_present, of_absent = [], []
    for label in range(N_CLASSES):
        said, missed, true = present[:, label], absent[:, label], truth[:, label]
        if said.any():
            of_present.append(broken(int((said & ~true).sum()), int(said.sum()), rate))
        if missed.any():
            of_absent.append(broken(int((missed & true).sum()), int(true.sum()), rate))
    return Judged([100 * float(share) for share in shares], of_present, of_absent)


def measure(data: Path, model: str, out: Path) -> Iterator[str]:
    """Yield the lines of both tables."""
    precision: dict[tuple[str, str], list[float]] = {}
    promised: dict[tuple[str, float, str], list[Judged]] = {}
    for seed in SEEDS:
        embeddings, truth = embedded_mosaics(data, model, N, seed, out)
        for name in CASES:
            case = draw(name, embeddings, truth, seed)
            peers = {PEER: peer(case, False), NEGATIVE: peer(case, True)}
            for promise in PROMISES:
                found, states = said_by(case, promise, seed)
                promised.setdefault((name, promise, WINDROW), []).append(judged(case, states, promise))
                if name == "present only":
                    _, states = said_by(case, promise, seed, "elkan-noto")
                    promised.setdefault((name, promise, ASSUMING), []).append(judged(case, states, promise))
                for who, said in peers.items():
                    if said is not None:
                        promised.setdefault((name, promise, who), []).append(
                            judged(case, thresholded(said, promise), promise)
                        )
            for who, said in {WINDROW: found, **peers}.items():
                if said is not None:
                    precision.setdefault((name, who), []).append(case.precision(said))
            say(seed, name, {who: values[-1] for (case_name, who), values in precision.items() if case_name == name})
    yield from _precision_table(precision)
    yield from _promise_table(promised)


def _precision_table(found: dict[tuple[str, str], list[float]]) -> Iterator[str]:
    yield "| given | " + " | ".join((WINDROW, PEER, NEGATIVE, f"less {PEER}", f"less {NEGATIVE}")) + " |"
    yield "|---|" + "---:|" * 5
    for name in CASES:
        own = found[name, WINDROW]
        each = [found.get((name, who)) for who in (WINDROW, PEER, NEGATIVE)]
        gains = [
            "cannot be fitted" if theirs is None else told([a - b for a, b in zip(own, theirs, strict=True)])
            for theirs in each[1:]
        ]
        means = ["cannot be fitted" if values is None else f"{np.mean(values):.1f}" for values in each]
        yield f"| {name} | {' | '.join([*means, *gains])} |"
    yield ""


def _promise_table(found: dict[tuple[str, float, str], list[Judged]]) -> Iterator[str]:
    yield "| given | promise | who | said present | right | broken | said absent | right | missed | broken |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|"
    for (name, promise, who), runs in sorted(found.items(), key=lambda item: (list(CASES).index(item[0][0]), item[0])):
        shares = np.array([run.shares for run in runs])
        with np.errstate(all="ignore"):
            means = ["-" if np.isnan(column).all() else f"{np.nanmean(column):.1f} %" for column in shares.T]
        present, absent = ([each for run in runs for each in getattr(run, name)] for name in ("present", "absent"))
        cells = [*means[:2], _told(present), *means[2:], _told(absent)]
        yield f"| {name} | {promise} | {who} | {' | '.join(cells)} |"


def _told(found: list[int]) -> str:
    """As in '3 of 9, 1 surely'."""
    surely = sum(each == 2 for each in found)
    return f"{sum(each > 0 for each in found)} of {len(found)}, {surely} surely"


if __name__ == "__main__":
    make_tables(__doc__, "tables", measure)
