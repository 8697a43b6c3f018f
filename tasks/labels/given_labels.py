"""Given labels: those that came with samples, or those of a file of the user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABELS, Table
from windrow.schemas.stages import Part, Stage
from windrow.tasks.corrections.taken import correct_named, read_taken
from windrow.tasks.labels.annotators import SaidOf, agree, annotation_tables
from windrow.tasks.labels.found_labels import FOUND
from windrow.tasks.labels.label_file import Tally, check_matched, load_label_file
from windrow.tasks.labels.unlabelled import UNLABELLED, take_unlabelled
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)

if TYPE_CHECKING:
    from windrow.tasks.labels.labels_config import AnnotatorsBy

VERSION = 2


def find_given(
    store: Path,
    ingested: Sequence[str],
    sources: Sequence[str],
    unlabelled: Sequence[str] = UNLABELLED,
    by: AnnotatorsBy = "majority",
    corrections: Sequence[str] = (),
) -> Done:
    """Write LABELS of the label set 'given', see `given_labels`, and what each person says, where these are named.

    `corrections`: outputs with those that are taken.

    The counts are n_given and n_classes.
    """
    outputs: dict[str, list[Output]] = {Stage.INGEST: [open_output(store / path) for path in ingested]}
    corrected = [open_output(store / path) for path in corrections]

    def write(writer: OutputWriter) -> None:
        given, _, people = read_given(sources, outputs, unlabelled=unlabelled, by=by, corrections=read_taken(corrected))
        writer.write(LABELS, given)
        for declared, table in people.items():
            writer.write(declared, table)
            writer.counts[f"n_{declared.name}"] = table.num_rows
        writer.counts.update(n_given=given.num_rows, n_classes=len(class_names(given)))

    digests = [_digest(source) for source in sources]
    inputs = {
        "ingest": content_fingerprint(outputs[Stage.INGEST]),
        "given": sources[0] if len(sources) == 1 else list(sources),
        "unlabelled": list(unlabelled),
        "by": by,
        "file": digests[0] if len(sources) == 1 else digests,
    }
    if corrected:
        inputs["corrections"] = content_fingerprint(corrected)
    return make_output(store, Part.GIVEN_LABELS, VERSION, inputs, write)


def _digest(source: str) -> str | None:
    return file_digest(Path(source)) if source not in ("found", "none") and Path(source).is_file() else None


def class_names(labels: pa.Table, others: Collection[str] = ()) -> list[str]:
    """Return the distinct labels, and others: in the order of numbers when all are, otherwise of the alphabet."""
    return sorted_names({name for name in pc.unique(labels["label"]).to_pylist() if name is not None} | set(others))


def sorted_names(names: Collection[str]) -> list[str]:
    """Return names of classes in the order of numbers when all are, otherwise of the alphabet."""
    numeric = all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=lambda name: (int(name), name) if numeric else (0, name))


def has_classes(given: pa.Table) -> bool:
    """Say whether there are labels of two classes, without which nothing can be learnt from them."""
    return len(class_names(given)) > 1


def pool_labels(sample_ids: pa.Array, given: pa.Table, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the class of each of these samples, -1 where it has no given label."""
    hard = given.filter(pc.is_valid(given["label"]))
    row = pc.index_in(sample_ids, whole(hard["sample_id"]))
    number = pc.index_in(whole(hard["label"]), pa.array(classes, pa.string()))
    return np.asarray(pc.fill_null(number.take(row), -1), np.int64)


def pool_weights(sample_ids: pa.Array, given: pa.Table) -> npt.NDArray[np.float32]:
    """Return what the given label of each of these samples weighs; 1 where it has none."""
    row = pc.index_in(sample_ids, whole(given["sample_id"]))
    weights = whole(given["label_weight"]).take(row)
    return np.asarray(pc.fill_null(weights, 1.0).to_numpy(zero_copy_only=False), np.float32)


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
    return read_given([source], outputs, setting, unlabelled).labels


class Given(NamedTuple):
    """Given labels, how rows of the last file fit the pool, and ANNOTATIONS and ANNOTATORS where people are named."""

    labels: pa.Table
    tally: Tally | None
    people: dict[Table, pa.Table]


def read_given(
    sources: Sequence[str],
    outputs: Mapping[str, Sequence[Output]],
    setting: str = "labels.given",
    unlabelled: Sequence[str] = UNLABELLED,
    by: AnnotatorsBy = "majority",
    corrections: pa.Table | None = None,
) -> Given:
    """Return what `given_labels` does of each source, and what else is known of it.

    What a later source says of a sample takes the place of what an earlier one says, but for rows that name an
    annotator: these add up.
    """
    if list(sources) == ["none"] and not corrections:
        return Given(LABELS.schema().empty_table(), None, {})
    connection, tally = connect(tables_of(outputs)), None
    connection.execute("CREATE TABLE named (sample_id VARCHAR, label VARCHAR, annotator VARCHAR, weight DOUBLE)")
    found: set[str] = set()
    for number, source in enumerate(sources):
        place = setting if len(sources) == 1 else f"{setting}.{number}"
        tally = _add(connection, source, place, unlabelled) or tally
        said = {row[0] for row in connection.execute(UNNAMED_SQL).fetchall()}
        found = (found | said) if source == "found" else (found - said)
    if corrections:
        correct_named(connection, corrections)
    agreed = agree(connection, by)
    files = ", ".join(sources)
    if by == "dawid-skene" and agreed.samples and not agreed.accuracy:
        raise ValueError(f"labels.annotators: dawid-skene wants a column annotator in {files}")
    method = f"{files}, Dawid and Skene over {len(agreed.accuracy)} annotators" if agreed.accuracy else files
    labels = _labels(agreed.samples, found, method)
    return Given(labels, tally, annotation_tables(connection, agreed))


FOUND_SQL = f"""
SELECT sample_id, found_label AS label, NULL::VARCHAR AS annotator, 1.0::DOUBLE AS weight FROM ({FOUND})
WHERE sample_id IN (SELECT sample_id FROM samples)
"""
UNNAMED_SQL = "SELECT DISTINCT sample_id FROM of_source WHERE annotator IS NULL"
ADDING_SQL = f"""
DELETE FROM named WHERE annotator IS NULL AND sample_id IN ({UNNAMED_SQL});
INSERT INTO named FROM of_source
"""


def _add(connection: Any, source: str, setting: str, unlabelled: Sequence[str]) -> Tally | None:
    """Add what a source says to the table `named`; the table `of_source` holds it alone."""
    tally, rows = None, FOUND_SQL if source == "found" else f"SELECT * FROM ({FOUND_SQL}) LIMIT 0"
    if source not in ("found", "none"):
        tally = load_label_file(connection, source, setting)
        rows = "SELECT sample_id, label, annotator, weight FROM file_labels"
    connection.execute(f"CREATE OR REPLACE TABLE of_source AS {rows}")
    take_unlabelled(connection, "of_source", unlabelled)
    if tally is not None:
        check_matched(tally)
    connection.execute(ADDING_SQL)
    return tally


def _labels(samples: Sequence[SaidOf], found: Collection[str], method: str) -> pa.Table:
    abstained = [each.label is None for each in samples]
    columns = {
        "sample_id": [each.sample_id for each in samples],
        "label_set": ["given"] * len(samples),
        "label": [each.label for each in samples],
        "classes": [each.classes for each in samples],
        "probabilities": [each.shares for each in samples],
        "confidence": [each.shares[0] for each in samples],
        "abstained": abstained,
        "label_weight": [0.0 if out else each.weight for each, out in zip(samples, abstained, strict=True)],
        "annotator": [each.who or ("source" if each.sample_id in found else "user") for each in samples],
        "method": [method] * len(samples),
        "round": [0] * len(samples),
    }
    return LABELS.build(columns)
