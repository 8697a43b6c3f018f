"""What is kept of label sets beside a row for each sample: by which numbers they were made, and every probability."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from windrow.schemas import LABEL_SETS, SOFT_LABELS
from windrow.tasks.algorithms.labels.sparse_probabilities import dense_rows
from windrow.tasks.labels.rows.label_rows import LabelSet
from windrow.tasks.storage.files.parquet import ROWS_PER_GROUP, array_to_vectors
from windrow.tasks.storage.store.outputs import OutputWriter

AddLabelSet = Callable[[LabelSet, pa.Array, Sequence[str]], None]


@contextmanager
def label_sets_of(writer: OutputWriter, whole: Sequence[str]) -> Iterator[AddLabelSet]:
    """Write LABEL_SETS, and SOFT_LABELS of the label sets in `whole`: yields what is given each label set of classes.

    That is a function of the label set, the `sample_id` (n,) of its rows, and the classes. SOFT_LABELS is written in
    parts of ROWS_PER_GROUP rows, by label set, in the order of the rows.
    """
    rows: list[dict[str, Any]] = []
    with ExitStack() as opened:
        write: Callable[[pa.Table], None] | None = None

        def add(label_set: LabelSet, sample_ids: pa.Array, classes: Sequence[str]) -> None:
            nonlocal write
            rows.append(_row(label_set, classes))
            if label_set.name in whole:
                schema = SOFT_LABELS.schema(len(classes))
                write = write or opened.enter_context(writer.writing(SOFT_LABELS, schema))
                for part in _soft_parts(label_set, sample_ids, schema):
                    write(part)
                writer.counts["n_soft_labels"] += len(sample_ids)

        writer.counts["n_soft_labels"] = 0
        yield add
    columns = {column.name: [row[column.name] for row in rows] for column in LABEL_SETS.columns}
    writer.write(LABEL_SETS, LABEL_SETS.build(columns))
    writer.counts["n_label_sets"] = len(rows)


def _row(label_set: LabelSet, classes: Sequence[str]) -> dict[str, Any]:
    prior, thresholds = label_set.prior, label_set.decision.thresholds
    return {
        "label_set": label_set.name,
        "method": label_set.method,
        "classes": list(classes),
        "prior": None if prior is None else prior.tolist(),
        "thresholds": None if thresholds is None else thresholds.tolist(),
        "temperature": label_set.temperature,
    }


def _soft_parts(label_set: LabelSet, sample_ids: pa.Array, schema: pa.Schema) -> Iterator[pa.Table]:
    for first in range(0, len(sample_ids), ROWS_PER_GROUP):
        names = sample_ids.slice(first, ROWS_PER_GROUP)
        block = dense_rows(label_set.probabilities, slice(first, first + ROWS_PER_GROUP)).astype(np.float16)
        arrays = [names, pa.repeat(label_set.name, len(names)), array_to_vectors(block)]
        yield pa.Table.from_arrays(arrays, schema=schema)
