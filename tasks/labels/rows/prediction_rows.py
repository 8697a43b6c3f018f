"""Predictions as rows of PREDICTIONS, and back: the most probable classes of each sample, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import PREDICTIONS
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.storage.store.outputs import Output

MOST_CLASSES = 64  # kept of each prediction; the others share what is left evenly


def prediction_rows(
    sample_ids: pa.Array,
    maker: str,
    number: int,
    classes: Sequence[str],
    pool: Float32Array,
    held_out: Float32Array | None,
    labelled: BoolArray,
) -> pa.Table:
    """Return the rows of a round, from pool (n, n_classes); held_out has a row for each that `labelled` (n,) says."""
    n = len(sample_ids)
    names, shares = _lists(pool, np.ones(n, np.bool_), classes)
    columns = {
        "sample_id": sample_ids,
        "maker": pa.repeat(maker, n),
        "round": pa.repeat(pa.scalar(number, pa.int32()), n),
        "classes": names,
        "probabilities": shares,
    }
    if held_out is not None:
        columns["held_out_classes"], columns["held_out_probabilities"] = _lists(held_out, labelled, classes)
    return PREDICTIONS.build(columns)


def read_rounds(output: Output) -> list[Float32Array]:
    """Read a maker's probabilities (n, n_classes) of the pool back, of each round; the last counts."""
    table, classes = output.read(PREDICTIONS), output.inputs["classes"]
    rounds = [table.filter(pc.equal(table["round"], number)) for number in range(pc.max(table["round"]).as_py() + 1)]
    return [_dense(each["classes"], each["probabilities"], classes) for each in rounds]


def read_held_out(output: Output) -> Float32Array:
    """Read the probabilities (m, n_classes) of a maker's m labelled samples back, by the labels of others."""
    table = output.read(PREDICTIONS, ["held_out_classes", "held_out_probabilities"])
    there = table.filter(pc.is_valid(table["held_out_classes"]))
    return _dense(there["held_out_classes"], there["held_out_probabilities"], output.inputs["classes"])


def _lists(probabilities: Float32Array, there: BoolArray, classes: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Lists of classes and of their probabilities, one for each of `there`, null where that is false."""
    top = SparseProbabilities.of(probabilities, min(MOST_CLASSES, len(classes)))
    ends = np.concatenate([[0], np.cumsum(there * top.classes.shape[1])])
    offsets = pa.array(ends.astype(np.int32), mask=np.append(~there, False))
    names = pa.array(classes, pa.string()).take(pa.array(top.classes.reshape(-1)))
    return (
        pa.ListArray.from_arrays(offsets, names),
        pa.ListArray.from_arrays(offsets, pa.array(top.probabilities.reshape(-1), pa.float32())),
    )


def _dense(names: pa.ChunkedArray, probabilities: pa.ChunkedArray, classes: Sequence[str]) -> Float32Array:
    n = len(names)
    number = pc.index_in(pc.list_flatten(names).combine_chunks(), pa.array(classes, pa.string()))
    width = len(number) // n if n else 1
    numbers = number.to_numpy(zero_copy_only=False).astype(np.int64).reshape(n, width)
    shares = pc.list_flatten(probabilities).combine_chunks().to_numpy(zero_copy_only=False)
    return SparseProbabilities(numbers, shares.astype(np.float32).reshape(n, width), len(classes)).dense()
