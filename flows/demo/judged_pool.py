"""A run's pool beside the truth: every readable sample once, what is true of it and what the pipeline said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import Int64Array

JUDGE = """
SELECT p.sample_id, t.sample_id IS NOT NULL AS judged, t.label AS truth, t.near_duplicate_of, p.selected,
       p.given_label IS NOT NULL AS given, CASE WHEN NOT p.abstained THEN p.label END AS pseudo, p.classes[1] AS top,
       p.dropped_by IS NULL AS ranked
FROM pool p LEFT JOIN truth t USING (sample_id) WHERE p.dropped_by IS DISTINCT FROM 'held_out' ORDER BY p.sample_id
"""


@dataclass(frozen=True)
class JudgedPool:
    """Every readable sample of a pool once but what is held out, by `sample_id`: the truth, and what the pipeline said.

    `classes` are named; the arrays (n,) hold their numbers. `truth`: -1 off topic. `repeats`: row of the sample of
    which it is a near-duplicate, or -1. `given`: its label was known. `pseudo`: -1 where abstained. `top`: the most
    probable class even there, -1 where there is none.
    """

    classes: tuple[str, ...]
    truth: Int64Array
    repeats: Int64Array
    selected: npt.NDArray[np.bool_]
    given: npt.NDArray[np.bool_]
    pseudo: Int64Array
    top: Int64Array
    ranked: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for each in fields(self)[1:]:
            if getattr(self, each.name).shape != self.truth.shape:
                shape = getattr(self, each.name).shape
                raise ValueError(f"{each.name}: wants shape {self.truth.shape} like truth, got {shape}")


def judge_pool(connection: Any, truth: pa.Table) -> JudgedPool:
    """Join the catalog's pool with the truth: `sample_id`, `label` (null off topic) and `near_duplicate_of` (or null).

    Raises ValueError when the truth does not know a sample of the pool, or a pseudo-label is no class of it.
    """
    connection.register("truth", truth)
    rows = connection.sql(JUDGE).to_arrow_table()
    connection.unregister("truth")
    unknown = rows.filter(pc.invert(rows["judged"]))["sample_id"].to_pylist()
    if unknown:
        raise ValueError(f"truth: knows nothing of {len(unknown)} samples of the pool, {unknown[0]} the first")
    classes = tuple(sorted(set(truth["label"].drop_null().to_pylist())))
    return JudgedPool(
        classes=classes,
        truth=_numbers(rows["truth"], classes, "truth"),
        repeats=_positions(rows["near_duplicate_of"], rows["sample_id"]),
        selected=rows["selected"].to_numpy(),
        given=rows["given"].to_numpy(),
        pseudo=_numbers(rows["pseudo"], classes, "pseudo-labels"),
        top=_numbers(rows["top"], classes, "pseudo-labels"),
        ranked=rows["ranked"].to_numpy(),
    )


def _numbers(names: pa.ChunkedArray, classes: Sequence[str], what: str) -> Int64Array:
    strange = sorted(set(names.drop_null().to_pylist()) - set(classes))
    if strange:
        raise ValueError(f"{what}: {strange[0]!r} is none of the classes {', '.join(classes)}")
    return _positions(names, pa.array(classes, pa.string()))


def _positions(values: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Int64Array:
    found = pc.index_in(values, value_set=pc.cast(among, values.type), skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)
