"""Classes told by their names (CDUL), on mosaics: python tests/benchmarks/bench_cdul.py [--write]

Pools of 600 mosaics of CIFAR-10 (`mosaics`), each and its 3 x 3 snippets embedded by MobileNetV2 at 96 pixels. No CLIP
is at hand: in the place of a class's text stands the mean of 20 pictures of that class that no mosaic shows. Every way
of putting whole and snippets together has the scale that served it best on pool 1; all is judged on five other pools.
--write puts the tables into docs/evidence/multi-label.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_multi_label import Case, judged
from intervals import told
from mosaic_page import make_tables
from mosaics import Views, embedded_views
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses, zero_shot
from windrow.tasks.algorithms.labels.states.cdul import CdulLabels, local_shares
from windrow.tasks.algorithms.labels.states.known_states import UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.one_vs_rest import fit_one_vs_rest
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import NamedClasses, spread_states

N, GRID, CHOSEN_ON = 600, 3, 1
SEEDS = range(101, 106)
SCALES = (3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
KNOWN, PROMISE = (50, 100, 200), 0.8
STEPS = 5
WIDTH, PENALTY = 0.1, 0.3
"""Of the label step's Gaussian, and of its head: what lost least on pool 1."""
GLOBAL, CDUL = "the whole picture", "CDUL: whole and snippets"
Matrix = npt.NDArray[Any]


def texts_of(views: Views) -> TextClasses:
    """What stands for the texts of the classes."""
    means = np.stack([unit_rows(each)[0].mean(axis=0) for each in views.references])
    return TextClasses(unit_rows(means)[0])


def shares_of(views: Views, scale: float) -> tuple[Matrix, Matrix]:
    """The shares of classes in whole pictures (n, c), and in snippets (n, n_snippets, c)."""
    prototypes = texts_of(views).prototypes
    parts = views.snippets.reshape(-1, views.whole.shape[1])
    of_snippets = zero_shot(parts, prototypes, scale).reshape(len(views.whole), -1, len(prototypes))
    return zero_shot(views.whole, prototypes, scale), of_snippets


def cdul_of(views: Views, scale: float) -> CdulLabels:
    """The product's labels."""
    return CdulLabels(views.whole, views.snippets, np.arange(len(views.whole)), texts_of(views), scale)


def of_both(views: Views, scale: float) -> Matrix:
    """CDUL's labels of all classes."""
    return cdul_of(views, scale).of_classes(np.arange(len(views.references)))


WAYS: dict[str, Callable[[Views, float], Matrix]] = {
    GLOBAL: lambda views, scale: shares_of(views, scale)[0],
    "CDUL's aggregate of snippets": lambda views, scale: local_shares(shares_of(views, scale)[1].astype(np.float64)),
    CDUL: of_both,
    "the largest of the snippets": lambda views, scale: shares_of(views, scale)[1].max(axis=1),
    "whole and largest": lambda views, scale: sum(
        each if each.ndim == 2 else each.max(axis=1) for each in shares_of(views, scale)
    ),
}


def stepped(views: Views, labels: Matrix, n_steps: int) -> Matrix:
    """CDUL's label step on labels (n, c): y <- sigmoid(logit(y) - psi(y) dL/dy), psi a Gaussian around 1/2.

    The network is a linear head on the whole pictures; L is the divergence from its prediction p, so that dL/dy is
    logit(y) - logit(p).
    """
    rows, weights = np.arange(len(labels)), np.ones(labels.shape, np.float32)
    for _ in range(n_steps):
        head = fit_one_vs_rest(views.whole, rows, labels.astype(np.float32), weights, PENALTY)
        old, new = (
            logit(np.clip(each.astype(np.float64), 1e-6, 1 - 1e-6))
            for each in (labels, head.predict_proba(views.whole))
        )
        trust = np.exp(-(((expit(old) - 0.5) / WIDTH) ** 2) / 2)
        labels = expit(old - trust * (old - new))
    return labels


def precision(views: Views, said: Matrix) -> float:
    """Mean average precision, %."""
    each = [average_precision_score(views.shown[:, c], said[:, c]) for c in range(views.shown.shape[1])]
    return 100 * float(np.mean(each))


def measure(views_of: Callable[[int], Views]) -> Iterator[str]:
    """Yield the lines of both tables."""
    first = views_of(CHOSEN_ON)
    scales = {name: max(SCALES, key=lambda scale: precision(first, way(first, scale))) for name, way in WAYS.items()}
    pools = [views_of(seed) for seed in SEEDS]
    found = {name: [precision(pool, way(pool, scales[name])) for pool in pools] for name, way in WAYS.items()}
    labels = [of_both(pool, scales[CDUL]) for pool in pools]
    for n_steps in (1, STEPS):
        name = f"CDUL after {n_steps} label step{'s' if n_steps > 1 else ''}"
        found[name] = [precision(pool, stepped(pool, each, n_steps)) for pool, each in zip(pools, labels, strict=True)]
    yield f"| what says so | scale | mean average precision | less {GLOBAL} | less CDUL |"
    yield "|---|---:|---:|---:|---:|"
    for name, values in found.items():
        gains = (
            "" if name == other else told([a - b for a, b in zip(values, found[other], strict=True)])
            for other in (GLOBAL, CDUL)
        )
        yield f"| {name} | {scales.get(name, scales[CDUL]):g} | {np.mean(values):.1f} | {' | '.join(gains)} |"
    yield ""
    yield from _with_states(pools, scales[CDUL])


def _with_states(pools: list[Views], scale: float) -> Iterator[str]:
    """A table of what names add to known states."""
    yield "| known | names | mean average precision | gain | said present | right | broken | absent | missed | broken |"
    yield "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for n_known in KNOWN:
        runs = {name: [_said(pool, n_known, seed, scale, name) for seed, pool in enumerate(pools)] for name in (0, 1)}
        for name, each in runs.items():
            values = [case.precision(probabilities) for case, probabilities, _ in each]
            gains = [a - case.precision(p) for a, (case, p, _) in zip(values, runs[0], strict=True)]
            verdicts = [judged(case, states, PROMISE) for case, _, states in each]
            present, right, absent, _, missed = np.nanmean([one.shares for one in verdicts], axis=0)
            broken = [
                f"{sum(x == 2 for one in verdicts for x in of(one))} of {sum(len(of(one)) for one in verdicts)}"
                for of in (lambda one: one.present, lambda one: one.absent)
            ]
            cells = [
                *(str(n_known), ("no", "yes")[name], f"{np.mean(values):.1f}", told(gains) if name else ""),
                *(f"{present:.1f} %", "-" if np.isnan(right) else f"{right:.1f} %", broken[0]),
                *(f"{absent:.1f} %", f"{missed:.1f} %", broken[1]),
            ]
            yield f"| {' | '.join(cells)} |"


def _said(views: Views, n_known: int, seed: int, scale: float, with_names: int) -> tuple[Case, Matrix, Matrix]:
    """A pool of which some samples are known, and the product's probabilities and states of it."""
    given = np.full(views.shown.shape, UNKNOWN, np.int8)
    rows = np.random.default_rng(seed).permutation(len(given))[:n_known]
    given[rows] = views.shown[rows]
    named = NamedClasses(cdul_of(views, scale).of_classes) if with_names else None
    found = list(spread_states(views.whole, KnownStates.of_matrix(given), StateRule(promise=PROMISE), named))
    probabilities = np.nan_to_num(np.stack([each.probability for each in found], axis=1))
    return Case(views.whole, views.shown, given), probabilities, np.stack([each.state for each in found], axis=1)


def of_mosaics(data: Path, model: str, out: Path) -> Iterator[str]:
    """Yield the tables of fresh pools of mosaics."""
    return measure(lambda seed: embedded_views(data, model, N, seed, GRID, out))


if __name__ == "__main__":
    make_tables(__doc__, "cdul", of_mosaics)
