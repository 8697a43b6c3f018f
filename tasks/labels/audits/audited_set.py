"""What of a label set a person can check, counted by class and confidence, and the part of it that may be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.states import ABSENT, PRESENT
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, UInt64Array
from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.labels.states.one_class import several_classes

# In float32, as confidences are: 0.95 is then in the band from 0.95.
BANDS = np.array([0.5, 0.8, 0.95], dtype=np.float32)
UNITS_AT_ONCE = 2**18

# A label that was given is no prediction: only its own label set answers for it.
LABELS_SQL = """
SELECT sample_id, ('0x' || left(sample_id, 16))::UBIGINT AS key, label, confidence FROM labels
WHERE label_set = $1 AND ($1 = 'given' OR sample_id NOT IN (SELECT sample_id FROM labels WHERE label_set = 'given'
AND label IS NOT NULL))
"""
CLASSES_SQL = """
SELECT DISTINCT unnest(list_append(coalesce(classes, []), label)) FROM labels WHERE label_set = $1
"""
GIVEN_SQL = "SELECT sample_id, list_concat(present, absent) AS labels FROM states WHERE label_set = 'given'"
PAIRS_SQL = f"""
SELECT sample_id, ('0x' || left(sample_id, 16))::UBIGINT AS key, pair[1] AS label, pair[2] AS confidence FROM (
    SELECT s.sample_id, unnest(list_filter(
        list_zip(s.{{state}}, s.{{state}}_probabilities),
        lambda x: $1 = 'given' OR NOT list_contains(coalesce(g.labels, []), x[1])
    )) AS pair
    FROM states s SEMI JOIN assignments USING (sample_id) LEFT JOIN ({GIVEN_SQL}) g USING (sample_id)
    WHERE s.label_set = $1
)
"""
N_PAIRS_SQL = f"""
SELECT (SELECT count(*) FROM assignments) * (SELECT count(*) FROM state_classes) - CASE WHEN $1 = 'given' THEN 0 ELSE
(SELECT coalesce(sum(len(labels)), 0) FROM ({GIVEN_SQL}) SEMI JOIN assignments USING (sample_id)) END
"""


@dataclass(frozen=True)
class AuditedSet:
    """What a label set says and was not given (but for the set 'given'), in cells of a class and a band of confidence.

    A unit is the label of a sample; where samples may be of several classes, a pair of a sample and a class that is
    said to be `state`, 'present' or 'absent', which is None elsewhere. n_all: units there could be, with those of which
    nothing is said. classes: all that the set names, sorted. Of the cells that have units (c,), ascending: label,
    int64, places in classes; band, int64, how many of the BANDS their confidences reach; size, int64; confidence,
    float64, the mean. Of the units that may be drawn (m,), by cell: sample_id, key (uint64), cell (int64) and sureness
    (float32), the confidence.
    """

    name: str
    state: str | None
    n_all: int
    classes: tuple[str, ...]
    label: Int64Array
    band: Int64Array
    size: Int64Array
    confidence: Float64Array
    sample_id: npt.NDArray[Any]
    key: UInt64Array
    cell: Int64Array
    sureness: Float32Array

    @property
    def n(self) -> int:
        """How many units there are."""
        return int(self.size.sum())

    def strata(self, by: str) -> Int64Array:
        """A number (c,), from 0 without gaps, for each of the strata of this name that cells fall into."""
        code = {"class and confidence": np.arange(len(self.size)), "class": self.label, "confidence": self.band}
        return np.asarray(np.unique(code.get(by, np.zeros_like(self.band)), return_inverse=True)[1], dtype=np.int64)

    def class_of(self, row: int) -> str:
        """The class of a unit that may be drawn."""
        return self.classes[int(self.label[self.cell[row]])]


@dataclass(frozen=True)
class Units:
    """Units (m,): sample_id, key (uint64), label (int64, places in the classes) and sureness (float32)."""

    sample_id: npt.NDArray[Any]
    key: UInt64Array
    label: Int64Array
    sureness: Float32Array

    @classmethod
    def none(cls) -> Units:
        """No units."""
        return cls(np.empty(0, object), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.float32))

    @property
    def cell(self) -> Int64Array:
        """A number (m,) for each pair of a class and a band of confidence."""
        band = np.searchsorted(BANDS, self.sureness, side="right")
        return np.asarray(self.label * (len(BANDS) + 1) + band, np.int64)

    def beside(self, other: Units) -> Units:
        """These and the others."""
        return Units(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))

    def first(self, n: int, seed: int) -> Units:
        """The n of each cell that come first in the order of the seed; all, by cell and in that order."""
        cell = self.cell
        order = np.lexsort((seeded_order(self.key, seed), cell))
        place = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
        kept = order[place < n]
        return Units(*(values[kept] for values in vars(self).values()))


def check_label_set(connection: Any, name: str) -> None:
    """Raise ValueError unless the catalog's run has a label set of this name."""
    table = "states" if several_classes(connection) else "labels"
    sets = [row[0] for row in connection.execute(f"SELECT DISTINCT label_set FROM {table} ORDER BY 1").fetchall()]
    if name not in sets:
        raise ValueError(f"this run has no label set {name!r}; it has {', '.join(sets) or 'none'}")


def read_audited(connection: Any, name: str, n: int, seed: int) -> tuple[AuditedSet, ...]:
    """Read what can be checked of a label set of the catalog's run: in one set, or where samples may be of several
    classes in two, of what is said to be present and to be absent.

    Of each cell the n units are kept that come first in the order of the seed, which is what n checks can take.
    Raises ValueError when there is no such label set, or nothing to check in it.
    """
    check_label_set(connection, name)
    if several_classes(connection):
        (n_all,) = connection.execute(N_PAIRS_SQL, [name]).fetchall()[0]
        classes = _names(connection, "SELECT label FROM state_classes", [])
        sets = [
            _read(connection, PAIRS_SQL.format(state=state), state, (name, n_all, classes, n, seed))
            for state in (PRESENT, ABSENT)
        ]
    else:
        (n_all,) = connection.execute(f"SELECT count(*) FROM ({LABELS_SQL})", [name]).fetchall()[0]
        classes = _names(connection, CLASSES_SQL, [name])
        sets = [
            _read(connection, f"FROM ({LABELS_SQL}) WHERE label IS NOT NULL", None, (name, n_all, classes, n, seed))
        ]
    found = tuple(each for each in sets if each.n)
    if not found:
        raise ValueError(f"label set {name!r} has no label to check: each one abstains or was given")
    return found


def _names(connection: Any, sql: str, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(row[0] for row in connection.execute(sql, values).fetchall() if row[0] is not None))


def _read(connection: Any, sql: str, state: str | None, of: tuple[str, int, tuple[str, ...], int, int]) -> AuditedSet:
    """Walk over the units in batches, so that no more of them are held than may be drawn."""
    name, n_all, classes, n, seed = of
    size = np.zeros(len(classes) * (len(BANDS) + 1), np.int64)
    total = np.zeros(len(size))
    kept = Units.none()
    for batch in connection.sql(sql, params=[name]).to_arrow_reader(UNITS_AT_ONCE):
        units = _units(batch, classes, state)
        size += np.bincount(units.cell, minlength=len(size))
        total += np.bincount(units.cell, units.sureness.astype(np.float64), len(size))
        kept = kept.beside(units.first(n, seed)).first(n, seed)
    cells = np.flatnonzero(size)
    return AuditedSet(
        name,
        state,
        n_all,
        classes,
        cells // (len(BANDS) + 1),
        cells % (len(BANDS) + 1),
        size[cells],
        total[cells] / size[cells],
        kept.sample_id,
        kept.key,
        np.searchsorted(cells, kept.cell),
        kept.sureness,
    )


def _units(batch: pa.RecordBatch, classes: Sequence[str], state: str | None) -> Units:
    """The units of a batch; each pair has a key of its own, or all classes would ask for the same samples."""
    label = np.asarray(pc.index_in(batch["label"], pa.array(classes, pa.string())), np.int64)
    key = np.asarray(batch["key"], np.uint64)
    sureness = np.asarray(batch["confidence"], np.float32)
    if state is not None:
        key = key ^ _class_keys(classes)[label]
    ids = batch["sample_id"].to_numpy(zero_copy_only=False)
    return Units(ids, key, label, np.float32(1) - sureness if state == ABSENT else sureness)


def _class_keys(classes: Iterable[str]) -> UInt64Array:
    return np.array([int(sha256(name.encode()).hexdigest()[:16], 16) for name in classes], np.uint64)
