"""How right a label set is: which of it a person should check, and what the verdicts prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.label_audit import Interval, audit_sample, stratified_interval
from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.labels.audits.audited_set import BANDS, AuditedSet

STRATA = ("class and confidence", "class", "confidence", "nothing")


@dataclass(frozen=True)
class Drawn:
    """Units of a set that a person checks: rows, int64 (k,), of those that may be drawn, in a random order; `by`: which
    of the STRATA they were drawn by.
    """

    labels: AuditedSet
    rows: Int64Array
    by: str


@dataclass(frozen=True)
class Checked:
    """Of the units that were drawn by the strata `by` the rows (m,) that have a verdict, and whether each is right."""

    labels: AuditedSet
    rows: Int64Array
    correct: npt.NDArray[np.bool_]
    by: str


@dataclass(frozen=True)
class Figure:
    """What the checks prove of some labels: n_labels, their mean confidence; of n_checked n_right were right.

    interval: for the accuracy of all of them; None when none was checked.
    """

    name: str
    n_labels: int
    confidence: float
    n_checked: int
    n_right: int
    interval: Interval | None


def draw_all(sets: Sequence[AuditedSet], n: int, seed: int) -> list[Drawn]:
    """What to check of the sets, n units in all (all, where there are fewer): as many of each, as far as it has them.

    So what is said to be present is judged as well as what is said to be absent, of which there is far more. The same
    units for the same n and seed. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"--n: wants 1 or more samples, got {n}")
    found = []
    for place, labels in enumerate(sets):
        others = sum(other.n for other in sets[place + 1 :])
        share = min(labels.n, max(-(-n // (len(sets) - place)), n - others))
        n -= share
        if share:
            found.append(draw(labels, share, seed))
    return found


def draw(labels: AuditedSet, n: int, seed: int) -> Drawn:
    """Draw n units to check, or all, by the finest strata that get two checks each or more.

    They come in a random order, so whoever stops early has checked a random part.
    """
    n = min(n, labels.n)
    by = next((each for each in STRATA if 2 * (labels.strata(each).max() + 1) <= n), STRATA[-1])
    strata = labels.strata(by)
    sizes = np.bincount(strata, labels.size).astype(np.int64)
    rows = audit_sample(labels.key, n, strata[labels.cell], seed, sizes)
    return Drawn(labels, rows[np.argsort(seeded_order(labels.key[rows], seed), kind="stable")], by)


def judge(checked: Checked) -> list[Figure]:
    """What verdicts prove: of all units of the set first, then of each class and each band of confidence.

    Where one of the strata of the draw has no check, coarser ones are used.
    """
    labels = checked.labels
    finer = [labels.strata(each) for each in STRATA[STRATA.index(checked.by) :]]
    parts = [("all", np.ones(len(labels.size), np.bool_))]
    parts += [(labels.classes[each], labels.label == each) for each in np.unique(labels.label)]
    parts += [(band_name(int(each)), labels.band == each) for each in np.unique(labels.band)]
    return [_figure(name, checked, inside, finer) for name, inside in parts]


def band_name(band: int) -> str:
    """Confidences as in '0.80 to 0.95'."""
    ends = [0.0, *BANDS.tolist(), 1.0]
    return f"{ends[band]:.2f} to {ends[band + 1]:.2f}"


def stratum_name(labels: AuditedSet, row: int, by: str) -> str:
    """A unit's stratum as in 'cat, 0.80 to 0.95', or 'present cat, 0.80 to 0.95'."""
    name, band = labels.class_of(row), band_name(int(labels.band[labels.cell[row]]))
    names = {"class and confidence": f"{name}, {band}", "class": name, "confidence": band}
    return " ".join(filter(None, [labels.state, names.get(by, "all")]))


def _figure(name: str, checked: Checked, inside: npt.NDArray[np.bool_], strata: Sequence[Int64Array]) -> Figure:
    """inside: bool (c,), the cells that it is of."""
    labels = checked.labels
    cells = labels.cell[checked.rows]
    of, right = cells[inside[cells]], checked.correct[inside[cells]]
    confidence = float(np.average(labels.confidence[inside], weights=labels.size[inside]))
    interval = next((each for by in strata if (each := _interval(by, labels.size, inside, of, right))), None)
    return Figure(name, int(labels.size[inside].sum()), confidence, len(of), int(right.sum()), interval)


def _interval(
    strata: Int64Array,
    size: Int64Array,
    inside: npt.NDArray[np.bool_],
    cells: Int64Array,
    right: npt.NDArray[np.bool_],
) -> Interval | None:
    """The interval over the strata of the cells inside; None where one of these has no check."""
    sizes = np.bincount(strata[inside], size[inside], int(strata.max()) + 1).astype(np.int64)
    checks = np.bincount(strata[cells], minlength=len(sizes))
    return stratified_interval(right, strata[cells], sizes) if ((checks > 0) == (sizes > 0)).all() else None
