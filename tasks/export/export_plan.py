"""The plan of an export: the selection cut into shards of one split each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORT_PLAN
from windrow.schemas.stages import Part
from windrow.schemas.texts.soft_names import SoftLabelSet
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.soft_arrays import Halves, SoftLabels, soft_files
from windrow.tasks.storage.files.kept_reading import KeptReading
from windrow.tasks.storage.files.parquet import ROWS_PER_GROUP, naming
from windrow.tasks.storage.published.webdataset_shards import sort_classes
from windrow.tasks.storage.store.outputs import OutputWriter, fingerprint, make_output, open_output

VERSION = 3
CLASSES = "classes.txt"


@dataclass(frozen=True)
class ExportShard:
    """A shard to be written: `n_rows` rows of the plan (its path is relative to the store), from `first_row` on.

    rows: their fingerprint.
    """

    plan: str
    split: str
    number: int
    first_row: int
    n_rows: int
    rows: str


def plan_export(
    store: Path, rows: pa.Table, config: ExportConfig, classes: Sequence[str], soft: SoftLabels | None = None
) -> list[ExportShard]:
    """Cut the selection into shards, and keep it where the writers of the shards find it.

    `rows` has the columns of EXPORT_PLAN and of further label sets (others are ignored), sorted by split and rank;
    `classes` are all classes of the label set, in any order; `soft` is where soft labels come from. Raises ValueError
    when rows are not so, when a sample is there twice, when a label is none of the classes, and when the name of a
    split is more than letters, digits and `_`.
    """
    table = config.further.added_to(EXPORT_PLAN)
    declared = [column.name for column in table.columns if column.name in rows.column_names]
    plan = _without_abstained_labels(table.build({name: rows[name] for name in declared}))
    _check_plan(plan, classes)
    names = sort_classes(classes)
    cuts = list(_cut(plan["split"], config.samples_per_shard))
    rows_of = [_rows_fingerprint(plan.slice(cut.first_row, cut.n_rows)) for cut in cuts]

    def write(writer: OutputWriter) -> None:
        writer.write(table, plan)
        if soft is not None:
            soft.write(writer.path, plan["sample_id"], names, config)
        (writer.path / CLASSES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        writer.counts["n_samples"] = plan.num_rows

    inputs: dict[str, Any] = {
        "rows": fingerprint(rows_of),
        "classes": names,
        "soft": None if soft is None else [config.soft_labels, config.said_by, *soft.inputs()],
    }
    done = make_output(store, Part.EXPORT_PLAN, VERSION, inputs, write)
    return [
        ExportShard(done.path, cut.split, cut.number, cut.first_row, cut.n_rows, rows)
        for cut, rows in zip(cuts, rows_of, strict=True)
    ]


def _rows_fingerprint(rows: pa.Table) -> str:
    """Return the fingerprint of the values of some rows, however they lie in memory."""
    return fingerprint(rows.to_pydict())


def _without_abstained_labels(plan: pa.Table) -> pa.Table:
    label = pc.if_else(pc.fill_null(plan["abstained"], False), pa.scalar(None, pa.string()), plan["label"])
    return plan.set_column(plan.schema.get_field_index("label"), plan.schema.field("label"), label)


def _check_plan(plan: pa.Table, classes: Sequence[str]) -> None:
    order = plan.select(["split", "rank"])
    if not order.equals(order.sort_by([("split", "ascending"), ("rank", "ascending")])):
        raise ValueError("rows: want to be sorted by split and rank")
    for split in pc.unique(plan["split"]).to_pylist():
        if not re.fullmatch(r"\w+", split, re.ASCII):
            raise ValueError(f"rows, column 'split': wants letters, digits and _, got {split!r}")
    strange = [name for name in classes if not name or name.splitlines() != [name]]
    if strange:
        raise ValueError(f"classes: want names of one line, got {strange[0]!r}")
    unknown = sorted(set(pc.unique(plan["label"]).to_pylist()) - {None, *classes})
    if unknown:
        raise ValueError(f"rows, column 'label': {unknown[0]!r} is none of the {len(classes)} classes")


@dataclass(frozen=True)
class Cut:
    """Where a shard begins and ends in a plan, and which of its split it is."""

    split: str
    number: int
    first_row: int
    n_rows: int


def _cut(splits: pa.ChunkedArray, samples_per_shard: int) -> Iterator[Cut]:
    start = 0
    for part in pc.value_counts(splits).to_pylist():  # in order of first appearance, so in the order of the rows
        for number, first in enumerate(range(0, part["counts"], samples_per_shard)):
            n_rows = min(samples_per_shard, part["counts"] - first)
            yield Cut(part["values"], number, start + first, n_rows)
        start += part["counts"]


_kept = KeptReading[pa.Table]()


def read_plan_rows(store: Path, spec: ExportShard) -> pa.Table:
    """Return the rows of a shard; only the row groups that hold them are read."""
    path = open_output(store / spec.plan).table_path(EXPORT_PLAN)
    first, last = spec.first_row // ROWS_PER_GROUP, (spec.first_row + spec.n_rows - 1) // ROWS_PER_GROUP
    groups = list(range(first, last + 1))
    table = _kept.of([path], lambda: _read_groups(path, groups), lambda table: int(table.nbytes), (first, last))
    return table.slice(spec.first_row - first * ROWS_PER_GROUP, spec.n_rows)


def _read_groups(path: Path, groups: list[int]) -> pa.Table:
    with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read_row_groups(groups)


def read_classes(store: Path, plan: str) -> list[str]:
    """Return the classes of a plan, in order."""
    return (store / plan / CLASSES).read_text(encoding="utf-8").splitlines()


def read_soft_rows(store: Path, spec: ExportShard, config: ExportConfig) -> dict[SoftLabelSet, Halves]:
    """Return the soft labels of a shard, float16 (n_rows, n_classes) for each label set that has them."""
    rows = slice(spec.first_row, spec.first_row + spec.n_rows)
    files = soft_files(open_output(store / spec.plan).path, config)
    return {each: np.array(np.load(path, mmap_mode="r", allow_pickle=False)[rows]) for each, path in files.items()}


def without_soft(store: Path, shards: Sequence[ExportShard], config: ExportConfig) -> list[str]:
    """Return the label sets whose soft labels are wanted and that have none, as no maker made them of classes."""
    there = soft_files(open_output(store / shards[0].plan).path, config) if shards else config.soft
    return [each.name for each in config.soft if each not in there]
