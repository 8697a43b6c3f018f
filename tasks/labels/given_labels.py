"""Given labels: those that came with samples, or those of a file of the user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.labels.found_labels import FOUND
from windrow.tasks.labels.label_file import Tally, load_label_file
from windrow.tasks.labels.unlabelled import UNLABELLED, take_unlabelled
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    file_digest,
    make_output,
    open_output,
)

VERSION = 2

# A sample that is seen with several labels keeps their shares, and abstains when none has the majority.
AGGREGATE = """
WITH counted AS (SELECT sample_id, label, count(*) AS n FROM named GROUP BY ALL),
shared AS (SELECT *, n / sum(n) OVER (PARTITION BY sample_id) AS share FROM counted)
SELECT sample_id, list(label ORDER BY share DESC, label) AS classes, list(share ORDER BY share DESC, label) AS shares
FROM shared GROUP BY sample_id ORDER BY sample_id
"""


def find_given(store: Path, ingested: Sequence[str], source: str, unlabelled: Sequence[str] = UNLABELLED) -> Done:
    """Write LABELS of the label set 'given', see `given_labels`. The counts are n_given and n_classes."""
    outputs: dict[str, list[Output]] = {Stage.INGEST: [open_output(store / path) for path in ingested]}

    def write(writer: OutputWriter) -> None:
        given = given_labels(source, outputs, unlabelled=unlabelled)
        writer.write(LABELS, given)
        writer.counts.update(n_given=given.num_rows, n_classes=len(class_names(given)))

    by_file = source not in ("found", "none") and Path(source).is_file()
    inputs = {
        "ingest": content_fingerprint(outputs[Stage.INGEST]),
        "given": source,
        "unlabelled": list(unlabelled),
        "file": file_digest(Path(source)) if by_file else None,
    }
    return make_output(store, Part.GIVEN_LABELS, VERSION, inputs, write)


def class_names(labels: pa.Table, others: Collection[str] = ()) -> list[str]:
    """Return the distinct labels, and others: in the order of numbers when all are, otherwise of the alphabet."""
    names = {name for name in pc.unique(labels["label"]).to_pylist() if name is not None} | set(others)
    numeric = all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=lambda name: (int(name), name) if numeric else (0, name))


def has_classes(given: pa.Table) -> bool:
    """Say whether there are labels of two classes, without which nothing can be learnt from them."""
    return len(class_names(given)) > 1


def pool_labels(sample_ids: pa.Array, given: pa.Table, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the class of each of these samples, -1 where it has no given label."""
    hard = given.filter(pc.is_valid(given["label"]))
    row = pc.index_in(hard["sample_id"].combine_chunks(), sample_ids)
    number = pc.index_in(hard["label"].combine_chunks(), pa.array(classes, pa.string()))
    labels = np.full(len(sample_ids), -1, np.int64)
    there = pc.is_valid(row).to_numpy(zero_copy_only=False)
    labels[np.asarray(row.drop_null())] = np.asarray(number)[there]
    return labels


def given_labels(
    source: str,
    outputs: Mapping[str, Sequence[Output]],
    setting: str = "labels.given",
    unlabelled: Sequence[str] = UNLABELLED,
) -> pa.Table:
    """Return the rows of LABELS with label set 'given', by `sample_id`.

    `source`: 'found' for labels that came with samples, 'none', or a file with a column `label` and a column
    `sample_id` or `key` (and `shard` or `source_uri`, where one key is in several). A label that `unlabelled` spells is
    none, wherever it comes from. Raises ValueError as `load_label_file` does, and when the file names no sample.
    """
    return read_given(source, outputs, setting, unlabelled)[0]


def read_given(
    source: str,
    outputs: Mapping[str, Sequence[Output]],
    setting: str = "labels.given",
    unlabelled: Sequence[str] = UNLABELLED,
) -> tuple[pa.Table, Tally | None]:
    """Return what `given_labels` does, and how the rows of a file fit the pool."""
    if source == "none":
        return LABELS.schema().empty_table(), None
    connection, tally = connect(tables_of(outputs)), None
    named = f"SELECT sample_id, found_label AS label FROM ({FOUND}) WHERE sample_id IN (SELECT sample_id FROM samples)"
    if source != "found":
        tally, named = load_label_file(connection, source, setting), "SELECT sample_id, label FROM file_labels"
    connection.execute(f"CREATE TABLE named AS {named}")
    n_unlabelled = take_unlabelled(connection, "named", unlabelled)
    rows = connection.sql(AGGREGATE).fetchall()
    if not rows and not n_unlabelled and tally is not None:
        empty = tally.n_rows and tally.n_empty == tally.n_rows
        what = "has no row with both a sample and a label" if empty else "names none of the pool's readable samples"
        raise ValueError(f"{setting}: {source} {what} ({tally})")
    return _labels(rows, "source" if source == "found" else "user", source), tally


def _labels(rows: Sequence[tuple[str, list[str], list[float]]], annotator: str, method: str) -> pa.Table:
    abstained = [shares[0] <= 0.5 for _, _, shares in rows]
    columns = {
        "sample_id": [sample_id for sample_id, _, _ in rows],
        "label_set": ["given"] * len(rows),
        "label": [None if out else classes[0] for (_, classes, _), out in zip(rows, abstained, strict=True)],
        "classes": [classes for _, classes, _ in rows],
        "probabilities": [shares for _, _, shares in rows],
        "confidence": [shares[0] for _, _, shares in rows],
        "abstained": abstained,
        "label_weight": [float(not out) for out in abstained],
        "annotator": [annotator] * len(rows),
        "method": [method] * len(rows),
        "round": [0] * len(rows),
    }
    return LABELS.build(columns)
