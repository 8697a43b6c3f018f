"""Which states of classes to ask for first: python tests/benchmarks/bench_state_queries.py [--write]

Pools of 600 mosaics of CIFAR-10 (`mosaics`), embedded by MobileNetV2 at 96 pixels: 100 of them are known, 250 can be
asked about, and the other 250 judge. Three times 200 pairs of a sample and a class are asked for and told, by the order
of `windrow annotate` (the least sure, classes in turn), at random, and the least sure of all classes together. --write
puts the table into docs/evidence/multi-label.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_multi_label import interval
from mosaics import Views, embedded_views
from sklearn.metrics import average_precision_score

from windrow.tasks.algorithms.labels.states.known_states import UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import spread_states

N, GRID, SEEDS = 600, 3, range(101, 106)
N_KNOWN, N_JUDGE, N_ASKED, N_ROUNDS = 100, 250, 200, 3
TURNS, RANDOM, TOGETHER = "least sure, classes in turn", "at random", "least sure of all"
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


def precisions(views: Views, how: str, seed: int) -> list[float]:
    """Mean average precision on the judging samples, %, before anything is asked and after every round."""
    rng = np.random.default_rng(seed)
    judge, known, rest = np.split(rng.permutation(len(views.whole)), [N_JUDGE, N_JUDGE + N_KNOWN])
    given = np.full(views.shown.shape, UNKNOWN, np.int8)
    given[known] = views.shown[known]
    found = []
    for _ in range(N_ROUNDS + 1):
        spread = spread_states(views.whole, KnownStates.of_matrix(given), StateRule())
        said = np.stack([each.probability for each in spread], axis=1)
        each = [average_precision_score(views.shown[judge, c], said[judge, c]) for c in range(said.shape[1])]
        found.append(100 * float(np.mean(each)))
        is_open = given == UNKNOWN
        is_open[np.setdiff1d(np.arange(len(given)), rest)] = False
        pairs = asked(how, said, is_open, rng)
        given[pairs] = views.shown[pairs]
    return found


def measure(data: Path, model: str, out: Path) -> Iterator[str]:
    """Yield the lines of the table."""
    pools = {seed: embedded_views(data, model, N, seed, GRID, out) for seed in SEEDS}
    found = {
        how: np.array([precisions(views, how, seed) for seed, views in pools.items()])
        for how in (TURNS, RANDOM, TOGETHER)
    }
    yield f"| asked for | {' | '.join(f'{N_ASKED * n} pairs' for n in range(N_ROUNDS + 1))} | less {RANDOM} |"
    yield f"|---|{'---:|' * (N_ROUNDS + 2)}"
    for how, values in found.items():
        gain = "" if how == RANDOM else interval((values[:, -1] - found[RANDOM][:, -1]).tolist())
        yield f"| {how} | {' | '.join(f'{value:.1f}' for value in values.mean(axis=0))} | {gain} |"


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--out", type=Path, default=Path("/tmp/mosaics"), help="a folder for the embeddings")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/multi-label.md")
    args = parser.parse_args()
    lines = "\n".join(measure(args.data, args.model, args.out))
    print(lines)
    if args.write:
        page = Path(__file__).parents[2] / "docs/evidence/multi-label.md"
        start, end = "<!-- asked -->\n", "<!-- end of asked -->"
        head, _, rest = page.read_text().partition(start)
        page.write_text(f"{head}{start}{lines}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
