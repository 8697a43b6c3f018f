"""Given labels: those that came with samples, or those of a file of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from windrow.schemas import LABELS
from windrow.tasks.storage.catalog import connect, tables_of
from windrow.tasks.storage.outputs import Output

# A sample that is seen with several labels keeps their shares, and abstains when none has the majority.
AGGREGATE = """
WITH counted AS (SELECT sample_id, label, count(*) AS n FROM named GROUP BY ALL),
shared AS (SELECT *, n / sum(n) OVER (PARTITION BY sample_id) AS share FROM counted)
SELECT sample_id, list(label ORDER BY share DESC, label) AS classes, list(share ORDER BY share DESC, label) AS shares
FROM shared GROUP BY sample_id ORDER BY sample_id
"""


def given_labels(source: str, outputs: Mapping[str, Sequence[Output]]) -> pa.Table:
    """Return the rows of LABELS with label set 'given', by `sample_id`.

    `source`: 'found' for labels that came with samples, 'none', or a Parquet or CSV file with a column `label` and a
    column `sample_id` or `key`. Raises ValueError when the file is missing, has other columns or names no sample.
    """
    connection = connect(tables_of(outputs))
    if source == "none":
        return LABELS.schema().empty_table()
    if source == "found":
        named = "SELECT sample_id, found_label AS label FROM occurrences WHERE found_label IS NOT NULL"
    else:
        named = label_file_query(connection, source, "labels.given")
    readable = "sample_id IN (SELECT sample_id FROM samples)"
    connection.execute(
        f"CREATE TABLE named AS SELECT sample_id, label::VARCHAR AS label FROM ({named}) WHERE {readable}"
    )
    rows = connection.sql(AGGREGATE).fetchall()
    if not rows and source != "found":
        raise ValueError(f"labels.given: {source} names none of the pool's readable samples")
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
