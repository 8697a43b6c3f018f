"""Predictions as rows of PREDICTIONS, and back: the most probable classes of each sample, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import PREDICTIONS
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, row_blocks
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, SparseProbabilities, some_rows
from windrow.tasks.storage.store.outputs import Output

ROWS_AT_ONCE = 2**16
"""The names of 64 classes of as many samples: Arrow tells in 32 bits where the texts of one array end."""
MOST_CLASSES = 64  # kept of each prediction; the others share what is left evenly


def prediction_rows(
    sample_ids: pa.Array,
    maker: str,
    number: int,
    classes: Sequence[str],
    pool: Probabilities,
    held_out: Probabilities | None,
    labelled: BoolArray,
) -> pa.Table:
    """Return the rows of a round, from pool (n, n_classes), dense or listing some.

    held_out has a row for each that `labelled` (n,) says.
    """
    places = np.append(0, np.cumsum(labelled))
    blocks = [
        _rows(sample_ids[rows], maker, number, classes, some_rows(pool, rows), labelled[rows], held_out_rows)
        for rows in row_blocks(len(sample_ids), ROWS_AT_ONCE)
        for judged in [slice(places[rows.start], places[rows.stop])]
        for held_out_rows in [None if held_out is None else some_rows(held_out, judged)]
    ]
    return pa.concat_tables([PREDICTIONS.schema().empty_table(), *blocks])


def _rows(
    sample_ids: pa.Array,
    maker: str,
    number: int,
    classes: Sequence[str],
    pool: Probabilities,
    labelled: BoolArray,
    held_out: Probabilities | None,
) -> pa.Table:
    n = len(sample_ids)
    names, shares = _lists(pool, np.ones(n, np.bool_), classes)
    columns = {
        "sample_id": sample_ids,
        "maker": pa.scalar(maker),
        "round": pa.scalar(number, pa.int32()),
        "classes": names,
        "probabilities": shares,
    }
    if held_out is not None:
        columns["held_out_classes"], columns["held_out_probabilities"] = _lists(held_out, labelled, classes)
    return PREDICTIONS.build(columns)


def read_rounds(output: Output) -> list[Float32Array]:
    """Read a maker's probabilities (n, n_classes) of the pool back, of each round; the last counts."""
    return [each.dense() for each in read_listed_rounds(output)]


def read_listed_rounds(output: Output) -> list[SparseProbabilities]:
    """The same, of each sample what is stored."""
    table, classes = output.read(PREDICTIONS, ["round", "classes", "probabilities"]), output.inputs["classes"]
    rounds = [table.filter(pc.equal(table["round"], number)) for number in range(pc.max(table["round"]).as_py() + 1)]
    return [_listed(each["classes"], each["probabilities"], classes) for each in rounds]


def read_held_out(output: Output) -> Float32Array:
    """Read the probabilities (m, n_classes) of a maker's m labelled samples back, by the labels of others."""
    return read_listed_held_out(output).dense()


def read_listed_held_out(output: Output) -> SparseProbabilities:
    """The same, of each label what is stored."""
    table = output.read(PREDICTIONS, ["held_out_classes", "held_out_probabilities"])
    there = table.filter(pc.is_valid(table["held_out_classes"]))
    return _listed(there["held_out_classes"], there["held_out_probabilities"], output.inputs["classes"])


def _lists(probabilities: Probabilities, there: BoolArray, classes: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Lists of classes and of their probabilities, one for each of `there`, null where that is false."""
    top = probabilities
    if not isinstance(top, SparseProbabilities):
        top = SparseProbabilities.of(top, min(MOST_CLASSES, len(classes)))
    filled = top.classes >= 0
    sizes = np.zeros(len(there), np.int64)
    sizes[there] = filled.sum(axis=1)
    offsets = pa.array(np.append(0, np.cumsum(sizes)).astype(np.int32), mask=np.append(~there, False))
    names = pa.array(classes, pa.string()).take(pa.array(top.classes[filled]))
    return (
        pa.ListArray.from_arrays(offsets, names),
        pa.ListArray.from_arrays(offsets, pa.array(top.probabilities[filled], pa.float32())),
    )


def _listed(names: pa.ChunkedArray, probabilities: pa.ChunkedArray, classes: Sequence[str]) -> SparseProbabilities:
    known = pa.array(classes, pa.string())
    flat = [np.asarray(pc.index_in(part.flatten(), known), np.int32) for part in names.chunks]
    sizes = np.asarray(pc.list_value_length(names), np.int64)
    width = int(sizes.max(initial=1))
    there = np.arange(width) < sizes[:, None]
    numbers, shares = np.full(there.shape, -1, np.int32), np.zeros(there.shape, np.float32)
    numbers[there] = np.concatenate([np.empty(0, np.int32), *flat])
    shares[there] = pc.list_flatten(probabilities).to_numpy()
    return SparseProbabilities(numbers, shares, len(classes))
