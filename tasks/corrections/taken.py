"""The corrections that a run takes, in two outputs: what is said of labels costs no new ranking, nor the reverse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import CORRECTIONS, SAMPLES, TAKEN_CORRECTIONS
from windrow.schemas.corrections import OF_LABELS, OF_SELECTION
from windrow.schemas.stages import Part
from windrow.tasks.corrections.correction_list import correction_files, counted, read_corrections, standing
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, fingerprint, make_output, open_output

VERSION = 1
KINDS: Mapping[Part, tuple[str, ...]] = {
    Part.LABEL_CORRECTIONS: OF_LABELS,
    Part.SELECTION_CORRECTIONS: OF_SELECTION,
}


def take_corrections(store: Path, ingested: Sequence[str], several: bool) -> dict[Part, Done]:
    """Write TAKEN_CORRECTIONS of the samples of a pool, an output for each part that looks at some; none where none is.

    `ingested`: outputs with SAMPLES. `several`: whether samples may be of several classes. The count is n_corrections.
    """
    if not correction_files(store):
        return {}
    table = standing(read_corrections(store), several)
    files = [open_output(store / path).table_path(SAMPLES) for path in ingested]
    pool = whole(read_table(SAMPLES, files, ["sample_id"])["sample_id"])
    table = table.filter(pc.is_in(table["sample_id"], pool))
    found = {}
    for part, kinds in KINDS.items():
        of_part = table.filter(pc.is_in(table["kind"], pa.array(kinds)))
        if len(of_part):
            found[part] = _taken(store, part, of_part)
    return found


def _taken(store: Path, part: Part, table: pa.Table) -> Done:
    def write(writer: OutputWriter) -> None:
        writer.write(TAKEN_CORRECTIONS, TAKEN_CORRECTIONS.build({name: table[name] for name in table.column_names}))
        writer.counts["n_corrections"] = len(table)

    rows = [[str(value) for value in row.values()] for row in table.to_pylist()]
    return make_output(store, part, VERSION, {"rows": fingerprint({"rows": rows})}, write)


def read_taken(outputs: Iterable[Output]) -> pa.Table:
    """Return TAKEN_CORRECTIONS of these outputs, in their order."""
    tables = [CORRECTIONS.schema().empty_table(), *(output.read(TAKEN_CORRECTIONS) for output in outputs)]
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables])


def told_of(store: Path, taken: Iterable[Done]) -> str:
    """Say how many of each kind were taken."""
    return counted(read_taken(open_output(store / done.path) for done in taken).to_pylist())


def rows_of(table: pa.Table, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the corrections of a kind."""
    return (row for row in table.to_pylist() if row["kind"] == kind)


def correct_named(connection: Any, table: pa.Table) -> None:
    """Correct the rows of the table `named` (sample_id, label, annotator, weight) of given labels.

    Where a person says what a sample is, what nobody by name says of it no longer counts, nor what that person said
    before; a refuted label does not count, whoever gave it.
    """
    connection.register("_said", table.select(["sample_id", "kind", "value", "who"]))
    connection.execute("CREATE TEMP TABLE corrected AS FROM _said")
    connection.unregister("_said")
    connection.execute("""
    DELETE FROM named USING corrected c WHERE named.sample_id = c.sample_id AND (
        c.kind = 'label' AND (named.annotator IS NULL OR named.annotator = c.who)
        OR c.kind = 'wrong_label' AND named.label = c.value
    );
    INSERT INTO named BY NAME
    SELECT sample_id, value AS label, who AS annotator, 1.0 AS weight FROM corrected WHERE kind = 'label'
    """)


def abstain_where_refuted(labels: pa.Table, table: pa.Table) -> pa.Table:
    """Return LABELS in which a refuted label is none, and a sample in a wrong cluster has no label from its clusters.

    Given labels are not looked at: `correct_named` has.
    """
    wrong = {(row["sample_id"], row["value"]) for row in rows_of(table, "wrong_label")}
    lost = {row["sample_id"] for row in rows_of(table, "wrong_cluster")}
    touched = pa.array(sorted({name for name, _ in wrong} | lost), pa.string())
    places = pc.indices_nonzero(pc.is_in(labels["sample_id"], touched)).to_numpy() if len(touched) else []
    rows = labels.select(["sample_id", "label_set", "label"]).take(places).to_pylist() if len(places) else []
    mask = np.zeros(len(labels), np.bool_)
    mask[[place for place, row in zip(places, rows, strict=True) if _is_refuted(row, wrong, lost)]] = True
    if not mask.any():
        return labels
    for name, value in {"label": None, "abstained": True, "label_weight": 0.0}.items():
        field = labels.schema.field(name)
        filled = pc.if_else(pa.array(mask), pa.scalar(value, field.type), labels[name])
        labels = labels.set_column(labels.schema.get_field_index(name), field, filled)
    return labels


def _is_refuted(row: Mapping[str, Any], wrong: set[tuple[str, str]], lost: set[str]) -> bool:
    by_cluster = row["label_set"].startswith("cluster_")
    return row["sample_id"] in lost if by_cluster else (row["sample_id"], row["label"]) in wrong


Wish = Literal["keep", "drop"]


def wishes(table: pa.Table) -> dict[str, Wish]:
    """Return which samples are to be kept, and which dropped."""
    return {row["sample_id"]: row["kind"] for kind in ("keep", "drop") for row in rows_of(table, kind)}


def apart(table: pa.Table) -> list[tuple[str, str]]:
    """Return the pairs of samples that are no duplicates of each other."""
    return [(row["sample_id"], row["other_sample_id"]) for row in rows_of(table, "not_a_duplicate")]
