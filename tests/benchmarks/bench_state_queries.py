"""Which states of classes to ask for first: python tests/benchmarks/bench_state_queries.py [--write]

Pools of 600 mosaics of CIFAR-10 (`mosaics`), embedded by MobileNetV2 at 96 pixels: 100 of them are known, 250 can be
asked about, and the other 250 judge. 400 pairs of a sample and a class are asked for and told, in the order of `windrow
annotate` (the least sure, classes in turn), at random, and the least sure of all classes together; the mean of four
such draws of a pool counts once. --write puts the table into docs/evidence/multi-label.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from intervals import told
from mosaic_page import make_tables
from mosaics import Views, embedded_views
from sklearn.metrics import average_precision_score

from windrow.tasks.algorithms.labels.states.known_states import UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import spread_states

N, GRID, SEEDS = 600, 3, range(101, 106)
N_KNOWN, N_JUDGE, N_ASKED, N_DRAWS = 100, 250, 400, 4
NOTHING, RANDOM = "nothing", "at random"
TURNS, TOGETHER = "the least sure, classes in turn", "the least sure of all"
Matrix = npt.NDArray[Any]


def asked(how: str, probabilities: Matrix, is_open: Matrix, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """The rows and classes of the pairs to ask for."""
    rows, classes = np.nonzero(is_open)
    far = np.abs(probabilities[rows, classes] - 0.5)
    turn = np.zeros(len(rows))
    for label in np.unique(classes):
        own = np.flatnonzero(classes == label)
        turn[own[np.argsort(far[own], kind="stable")]] = np.arange(len(own))
    orders = {TURNS: np.lexsort((classes, turn)), RANDOM: rng.permutation(len(rows)), TOGETHER: np.argsort(far)}
    chosen = orders[how][:N_ASKED]
    return rows[chosen], classes[chosen]


def precisions(views: Views, seed: tuple[int, int]) -> dict[str, float]:
    """Mean average precision on the judging samples, %, by what was asked for."""
    rng = np.random.default_rng(seed)
    judge, known, rest = np.split(rng.permutation(len(views.whole)), [N_JUDGE, N_JUDGE + N_KNOWN])
    given = np.full(views.shown.shape, UNKNOWN, np.int8)
    given[known] = views.shown[known]
    first = spread(views, given)
    is_open = np.zeros(given.shape, np.bool_)
    is_open[rest] = True
    found = {NOTHING: precision(views, first, judge)}
    for how in (TURNS, RANDOM, TOGETHER):
        pairs, told = asked(how, first, is_open, rng), given.copy()
        told[pairs] = views.shown[pairs]
        found[how] = precision(views, spread(views, told), judge)
    return found


def spread(views: Views, given: Matrix) -> Matrix:
    """The product's probabilities (n, c) by the given states."""
    found = spread_states(views.whole, KnownStates.of_matrix(given), StateRule())
    return np.stack([each.probability for each in found], axis=1)


def precision(views: Views, said: Matrix, rows: Matrix) -> float:
    """Mean average precision on some samples, %."""
    each = [average_precision_score(views.shown[rows, c], said[rows, c]) for c in range(said.shape[1])]
    return 100 * float(np.mean(each))


def measure(data: Path, model: str, out: Path) -> Iterator[str]:
    """Yield the lines of the table."""
    found = []
    for seed in SEEDS:
        views = embedded_views(data, model, N, seed, GRID, out)
        draws = [precisions(views, (seed, draw)) for draw in range(N_DRAWS)]
        found.append({how: float(np.mean([each[how] for each in draws])) for how in draws[0]})
    yield f"| asked for | mean average precision | less {RANDOM} |"
    yield "|---|---:|---:|"
    for how in found[0]:
        values = [each[how] for each in found]
        gain = "" if how == RANDOM else told([each[how] - each[RANDOM] for each in found])
        yield f"| {how} | {np.mean(values):.1f} | {gain} |"


if __name__ == "__main__":
    make_tables(__doc__, "asked", measure)
