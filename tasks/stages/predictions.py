"""Predictions: what each label maker says of every sample, by a few given labels. One output a maker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, PREDICTIONS
from windrow.tasks.algorithms.label_makers import MakerName
from windrow.tasks.algorithms.neighbors import Float32Array, Int64Array
from windrow.tasks.algorithms.sparse_probabilities import SparseProbabilities
from windrow.tasks.stages.given_labels import class_names, pool_labels
from windrow.tasks.stages.neighbors import read_graph
from windrow.tasks.storage.outputs import Done, Output, OutputWriter, content_fingerprint, make_output, open_output
from windrow.tasks.storage.pool import read_pool

VERSION = 1
MOST_CLASSES = 64  # kept of each prediction; the others share what is left evenly


def predict_labels(
    store: Path, features: Sequence[str], neighbors: str, given: str, maker: MakerName, n_folds: int, seed: int
) -> Done:
    """Write PREDICTIONS of one maker, in the order of `sample_id`, from labels of two classes or more.

    `features`, `neighbors` and `given` are the outputs of those stages. The count is n_predictions.
    """
    embedded = [open_output(store / path) for path in features]
    graph, labelled = open_output(store / neighbors), open_output(store / given)

    def write(writer: OutputWriter) -> None:
        from windrow.tasks.algorithms.label_spreading import predict
        from windrow.tasks.algorithms.named_makers import maker as named

        pool, labels = read_pool(embedded), labelled.read(LABELS)
        classes = class_names(labels)
        known = pool_labels(pool, labels, classes)
        made = predict(
            named(maker, pool.embeddings, read_graph(graph), len(classes)), known, len(classes), n_folds, seed
        )
        writer.write(PREDICTIONS, _table(pool.sample_ids, maker, classes, made.pool, made.held_out, known))
        writer.counts.update(n_predictions=len(known))

    inputs = {
        "embeddings": content_fingerprint(embedded),
        "neighbors": graph.digest,
        "given": labelled.digest,
        "maker": maker,
        "n_folds": n_folds,
        "seed": seed,
    }
    return make_output(store, "predictions", VERSION, inputs, write)


def read_predictions(output: Output, classes: Sequence[str]) -> tuple[Float32Array, Float32Array]:
    """Read a maker's probabilities back: of the pool (n, n_classes), and out of sample of its m labelled samples."""
    table = output.read(PREDICTIONS)
    held_out = table.filter(pc.is_valid(table["held_out_classes"]))
    return (
        _dense(table["classes"], table["probabilities"], classes),
        _dense(held_out["held_out_classes"], held_out["held_out_probabilities"], classes),
    )


def _table(
    sample_ids: pa.Array,
    maker: str,
    classes: Sequence[str],
    pool: Float32Array,
    held_out: Float32Array,
    labels: Int64Array,
) -> pa.Table:
    every = np.ones(len(labels), np.bool_)
    names, shares = _lists(pool, every, classes)
    held_out_names, held_out_shares = _lists(held_out, labels >= 0, classes)
    columns = {
        "sample_id": sample_ids,
        "maker": pa.repeat(maker, len(labels)),
        "classes": names,
        "probabilities": shares,
        "held_out_classes": held_out_names,
        "held_out_probabilities": held_out_shares,
    }
    return PREDICTIONS.build(columns)


def _lists(
    probabilities: Float32Array, there: npt.NDArray[np.bool_], classes: Sequence[str]
) -> tuple[pa.Array, pa.Array]:
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
    values = pc.list_flatten(probabilities).combine_chunks()
    width = len(number) // n if n else 1
    numbers = number.to_numpy(zero_copy_only=False).astype(np.int64).reshape(n, width)
    shares = values.to_numpy(zero_copy_only=False).astype(np.float32).reshape(n, width)
    return SparseProbabilities(numbers, shares, len(classes)).dense()
