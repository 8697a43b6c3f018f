"""How right a label set is: which samples a person should check, and what their verdicts prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.label_audit import Interval, audit_sample, stratified_interval
from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.labels.states.one_class import check_one_class

# In float32, as confidences are: 0.95 is then in the band from 0.95.
BANDS = np.array([0.5, 0.8, 0.95], dtype=np.float32)
STRATA = ("class and confidence", "class", "confidence", "nothing")

# A label that was given is no prediction: only its own label set answers for it.
LABELLED_SQL = """
SELECT sample_id, ('0x' || left(sample_id, 16))::UBIGINT AS key, label, confidence FROM labels
WHERE label_set = $1 AND ($1 = 'given' OR sample_id NOT IN (SELECT sample_id FROM labels WHERE label_set = 'given'
AND label IS NOT NULL)) ORDER BY sample_id
"""


@dataclass(frozen=True)
class AuditedSet:
    """The samples of a label set that have a label which was not given (but for the set 'given'), by sample_id.

    key: uint64 (n,), the first 16 hex digits of sample_id. label: int64 (n,), places in classes, which are all that the
    set names, sorted; confidence: float32 (n,). n_abstained: how many others have no label.
    """

    name: str
    sample_id: npt.NDArray[Any]
    key: npt.NDArray[np.uint64]
    label: Int64Array
    confidence: Float32Array
    n_abstained: int
    classes: tuple[str, ...]

    def strata(self, by: str) -> Int64Array:
        """A number (n,), from 0 without gaps, for each of the STRATA that samples fall into."""
        band = self.bands()
        code = {"class and confidence": self.label * (len(BANDS) + 1) + band, "class": self.label, "confidence": band}
        return np.asarray(np.unique(code.get(by, np.zeros_like(band)), return_inverse=True)[1], dtype=np.int64)

    def bands(self) -> Int64Array:
        """How many of the BANDS each confidence (n,) reaches."""
        return np.searchsorted(BANDS, self.confidence, side="right").astype(np.int64)


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


def check_label_set(connection: Any, name: str) -> None:
    """Raise ValueError unless the catalog's run has a label set of this name, of one class a sample."""
    check_one_class(connection, "an audit")
    sets = [row[0] for row in connection.execute("SELECT DISTINCT label_set FROM labels ORDER BY 1").fetchall()]
    if name not in sets:
        raise ValueError(f"this run has no label set {name!r}; it has {', '.join(sets) or 'none'}")


def read_label_set(connection: Any, name: str) -> AuditedSet:
    """Read a label set of the catalog's run. Raises ValueError when there is none, or nothing to check in it."""
    check_label_set(connection, name)
    rows = connection.sql(LABELLED_SQL, params=[name]).to_arrow_table()
    found = rows.filter(pc.is_valid(rows["label"]))
    if not found.num_rows:
        raise ValueError(f"label set {name!r} has no label to check: each one abstains or was given")
    sql = "SELECT DISTINCT unnest(classes) FROM labels WHERE label_set = ?"
    named = {row[0] for row in connection.execute(sql, [name]).fetchall()}
    classes = tuple(sorted(named | set(pc.unique(found["label"]).to_pylist())))
    return AuditedSet(
        name,
        found["sample_id"].to_numpy(),
        found["key"].to_numpy(),
        pc.index_in(found["label"], pa.array(classes)).to_numpy().astype(np.int64),
        found["confidence"].to_numpy(),
        rows.num_rows - found.num_rows,
        classes,
    )


def draw(labels: AuditedSet, n: int, seed: int) -> tuple[Int64Array, str]:
    """The rows of n samples to check (all, where there are fewer), and which of the STRATA they were drawn by.

    The finest strata that get two checks each or more. The rows come in a random order, so whoever stops early has
    checked a random part. The same samples for the same n and seed.
    """
    if n < 1:
        raise ValueError(f"--n: wants 1 or more samples, got {n}")
    n = min(n, len(labels.label))
    by = next((each for each in STRATA if 2 * (labels.strata(each).max() + 1) <= n), STRATA[-1])
    rows = audit_sample(labels.key, n, labels.strata(by), seed)
    return rows[np.argsort(seeded_order(labels.key[rows], seed), kind="stable")], by


def judge(labels: AuditedSet, rows: Int64Array, correct: npt.NDArray[np.bool_], by: str) -> list[Figure]:
    """What verdicts (m,) on rows (m,) prove: of all labels first, then of each class and each band of confidence.

    by: the strata that the rows were drawn by. Where one of them has no check, coarser ones are used.
    """
    finer = [labels.strata(each) for each in STRATA[STRATA.index(by) :]]
    band = labels.bands()
    parts = [("all", np.ones(len(band), np.bool_))]
    parts += [(labels.classes[each], labels.label == each) for each in np.unique(labels.label)]
    parts += [(band_name(int(each)), band == each) for each in np.unique(band)]
    return [_figure(name, labels, inside, rows, correct, finer) for name, inside in parts]


def band_name(band: int) -> str:
    """Confidences as in '0.80 to 0.95'."""
    ends = [0.0, *BANDS.tolist(), 1.0]
    return f"{ends[band]:.2f} to {ends[band + 1]:.2f}"


def stratum_name(labels: AuditedSet, row: int, by: str) -> str:
    """A sample's stratum as in 'cat, 0.80 to 0.95'."""
    name, band = labels.classes[int(labels.label[row])], band_name(int(labels.bands()[row]))
    names = {"class and confidence": f"{name}, {band}", "class": name, "confidence": band}
    return names.get(by, "all")


def _figure(
    name: str,
    labels: AuditedSet,
    inside: npt.NDArray[np.bool_],
    rows: Int64Array,
    correct: npt.NDArray[np.bool_],
    strata: Sequence[Int64Array],
) -> Figure:
    checked = inside[rows]
    right, of = correct[checked], rows[checked]
    confidence = float(labels.confidence[inside].astype(np.float64).mean())
    interval = next((each for by in strata if (each := _interval(by, inside, of, right))), None)
    return Figure(name, int(inside.sum()), confidence, len(of), int(right.sum()), interval)


def _interval(
    strata: Int64Array, inside: npt.NDArray[np.bool_], rows: Int64Array, right: npt.NDArray[np.bool_]
) -> Interval | None:
    """The interval over the strata of the labels inside; None where one of these has no check."""
    sizes = np.bincount(strata[inside], minlength=int(strata.max()) + 1)
    checks = np.bincount(strata[rows], minlength=len(sizes))
    return stratified_interval(right, strata[rows], sizes) if ((checks > 0) == (sizes > 0)).all() else None
