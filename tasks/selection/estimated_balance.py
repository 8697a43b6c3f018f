"""How even the classes are in the pool and in the curated set: estimated from the given labels, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import BELONGING, CLASS_BALANCE, CLASS_SHARES, LABELS, SELECTION
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import BoolArray
from windrow.tasks.labels.given_labels import class_names, pool_labels
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output
from windrow.tasks.storage.store.pool import Pool, read_pool

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.class_shares import ClassShares

VERSION = 1


def estimate_balance(store: Path, made: Made, least_belonging: float, seed: int) -> Done:
    """Write CLASS_BALANCE and CLASS_SHARES of the ranked pool and of what is selected of it.

    Samples whose `belonging` is `least_belonging` or less are of no class, and left out of both. The count is
    n_class_shares.
    """
    outputs = made.opened(store, Stage.FEATURES, Part.GIVEN_LABELS, Part.BELONGING, Stage.RANK)

    def write(writer: OutputWriter) -> None:
        given = outputs[Part.GIVEN_LABELS][0].read(LABELS)
        classes = class_names(given)
        balance, shares = CLASS_BALANCE.schema().empty_table(), CLASS_SHARES.schema().empty_table()
        if classes:
            balance, shares = _estimated(outputs, given, classes, least_belonging, seed)
        writer.write(CLASS_BALANCE, balance)
        writer.write(CLASS_SHARES, shares)
        writer.counts.update(n_class_shares=shares.num_rows)

    inputs = {**digests(outputs), "least_belonging": least_belonging, "seed": seed}
    return make_output(store, Part.CLASS_SHARES, VERSION, inputs, write)


def _estimated(
    outputs: Mapping[str, Sequence[Output]], given: pa.Table, classes: Sequence[str], least_belonging: float, seed: int
) -> tuple[pa.Table, pa.Table]:
    from windrow.tasks.algorithms.labels.class_shares import class_shares, why_unknown

    pool = read_pool(outputs[Stage.FEATURES])
    labels = pool_labels(pool.sample_ids, given, classes)
    ranked, of_class = _sets(outputs[Stage.RANK][0], pool), _of_class(outputs[Part.BELONGING], pool, least_belonging)
    sets = {name: rows & of_class for name, rows in ranked.items()}
    reason = why_unknown(labels, len(classes)) if sets["pool"].any() else "no sample is left"
    found = {} if reason else class_shares(pool.embeddings, labels, len(classes), sets, seed)
    rows = [
        {
            "sample_set": name,
            "n_samples": int(sets[name].sum()),
            "n_no_class": int((ranked[name] & ~of_class).sum()),
            "unknown": None if name in found else reason or "nothing is selected",
            **({} if name not in found else _balance(found[name])),
        }
        for name in sets
    ]
    columns = {column.name: [row.get(column.name) for row in rows] for column in CLASS_BALANCE.columns}
    tables = [CLASS_SHARES.build(_shares(name, classes, each)) for name, each in found.items()]
    return CLASS_BALANCE.build(columns), pa.concat_tables([CLASS_SHARES.schema().empty_table(), *tables])


def _sets(rank: Output, pool: Pool) -> dict[str, BoolArray]:
    """Which samples of the pool no rule dropped, and which of these are selected."""
    rows = wide(rank.read(SELECTION, ["sample_id", "selected", "dropped_by"]))
    rows = rows.take(pc.index_in(pool.sample_ids, whole(rows["sample_id"])))
    left, selected = pc.is_null(rows["dropped_by"]), rows["selected"]
    return {"pool": left.to_numpy(), "curated": selected.to_numpy()}


def _of_class(belonging: Sequence[Output], pool: Pool, least: float) -> BoolArray:
    if not belonging or not least:
        return np.ones(len(pool.sample_ids), np.bool_)
    column = belonging[0].read(BELONGING)["belonging"]
    return np.asarray(column.to_numpy() > np.float32(least)) if len(column) else np.ones(len(pool.sample_ids), np.bool_)


def _balance(found: ClassShares) -> dict[str, float]:
    return {"balance": found.balance.value, "low": found.balance.low, "high": found.balance.high}


def _shares(name: str, classes: Sequence[str], found: ClassShares) -> dict[str, object]:
    clipped = {key: np.clip(getattr(found, key), 0, 1) for key in ("share", "low", "high")}
    return {"sample_set": [name] * len(classes), "class": list(classes), **clipped}
