"""Given labels: those that came with samples, or those of a file of the user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS
from windrow.schemas.stages import Part, Stage
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
from windrow.tasks.texts.cells import TEXT_SQL

VERSION = 1

# A sample that is seen with several labels keeps their shares, and abstains when none has the majority.
AGGREGATE = """
WITH counted AS (SELECT sample_id, label, count(*) AS n FROM named GROUP BY ALL),
shared AS (SELECT *, n / sum(n) OVER (PARTITION BY sample_id) AS share FROM counted)
SELECT sample_id, list(label ORDER BY share DESC, label) AS classes, list(share ORDER BY share DESC, label) AS shares
FROM shared GROUP BY sample_id ORDER BY sample_id
"""


def find_given(store: Path, ingested: Sequence[str], source: str) -> Done:
    """Write LABELS of the label set 'given', see `given_labels`. The counts are n_given and n_classes."""
    outputs: dict[str, list[Output]] = {Stage.INGEST: [open_output(store / path) for path in ingested]}

    def write(writer: OutputWriter) -> None:
        given = given_labels(source, outputs)
        writer.write(LABELS, given)
        writer.counts.update(n_given=given.num_rows, n_classes=len(class_names(given)))

    by_file = source not in ("found", "none") and Path(source).is_file()
    inputs = {
        "ingest": content_fingerprint(outputs[Stage.INGEST]),
        "given": source,
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


def given_labels(source: str, outputs: Mapping[str, Sequence[Output]], setting: str = "labels.given") -> pa.Table:
    """Return the rows of LABELS with label set 'given', by `sample_id`.

    `source`: 'found' for labels that came with samples, 'none', or a Parquet or CSV file with a column `label` and a
    column `sample_id` or `key`. Raises ValueError, naming the setting, when the file is missing, has other columns or
    names no sample.
    """
    connection = connect(tables_of(outputs))
    if source == "none":
        return LABELS.schema().empty_table()
    if source == "found":
        named = "SELECT sample_id, found_label AS label FROM occurrences WHERE found_label IS NOT NULL"
    else:
        named = label_file_query(connection, source, setting)
    readable = "sample_id IN (SELECT sample_id FROM samples)"
    connection.execute(
        f"CREATE TABLE named AS SELECT sample_id, label::VARCHAR AS label FROM ({named}) WHERE {readable}"
    )
    rows = connection.sql(AGGREGATE).fetchall()
    if not rows and source != "found":
        raise ValueError(f"{setting}: {source} names none of the pool's readable samples")
    return _labels(rows, "source" if source == "found" else "user", source)


def label_file_query(connection: duckdb.DuckDBPyConnection, source: str, setting: str) -> str:
    """Load a file of labels as table `given_file`; return a SELECT of its sample_id and label.

    Raises ValueError, naming the setting, when the file is missing or has other columns.
    """
    path = Path(source)
    if not path.is_file() or path.suffix not in (".parquet", ".csv"):
        words = "'found', 'none', or " if setting == "labels.given" else ""
        raise ValueError(f"{setting}: wants {words}a .parquet or .csv file; got {source!r}")
    reader = "read_parquet(?)" if path.suffix == ".parquet" else "read_csv(?, all_varchar = true)"
    connection.execute(f"CREATE TABLE given_file AS SELECT * FROM {reader}", [source])
    columns = {row[0] for row in connection.sql("DESCRIBE given_file").fetchall()}
    if "label" not in columns or not columns & {"sample_id", "key"}:
        raise ValueError(f"{setting}: {source} wants columns label and sample_id (or key); it has {sorted(columns)}")
    if path.suffix == ".csv":
        connection.execute(f"UPDATE given_file SET label = {TEXT_SQL.format('label')}")
    if "sample_id" in columns:
        return "SELECT sample_id, label FROM given_file WHERE label IS NOT NULL"
    return "SELECT o.sample_id, f.label FROM given_file f JOIN occurrences o ON o.key = f.key WHERE f.label IS NOT NULL"


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
        "weight": [float(not out) for out in abstained],
        "annotator": [annotator] * len(rows),
        "method": [method] * len(rows),
        "round": [0] * len(rows),
    }
    return LABELS.build(columns)
