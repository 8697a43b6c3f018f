"""Export: the selected samples as shards of a training set, their original bytes in WebDataset and in Parquet.

`plan_export` cuts the selection into shards, `write_export_shard` writes one of them, `publish_version` (in
`windrow.tasks.stages.publish`) makes a version of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.exported import EXPORT_PLAN, EXPORTED_SAMPLES, GONE
from windrow.tasks.storage.outputs import Done, OutputWriter, fingerprint, make_output, open_output
from windrow.tasks.storage.parquet_shards import ParquetShard
from windrow.tasks.storage.sources import SampleGone, read_samples
from windrow.tasks.storage.webdataset_shards import WebDatasetShard, class_indices, sort_classes

PLAN_VERSION = 1
SHARD_VERSION = 1

Format = Literal["webdataset", "parquet"]
FORMATS: tuple[Format, ...] = ("webdataset", "parquet")
SHARD_FILES: Mapping[Format, str] = {"webdataset": "shard.tar", "parquet": "shard.parquet"}
CLASSES = "classes.txt"


@dataclass(frozen=True)
class ExportConfig:
    """How a curated set is exported.

    `label_set` names the labels that are exported; a sample on which they abstain is exported without a label.
    `license` goes into the dataset cards as it is (Hugging Face wants an identifier such as 'cc-by-4.0').
    """

    formats: tuple[Format, ...] = FORMATS
    samples_per_shard: int = 1000
    label_set: str = "pseudo"
    license: str | None = None

    def __post_init__(self) -> None:
        formats = tuple(self.formats)
        if not formats or len(set(formats)) < len(formats) or set(formats) - set(FORMATS):
            raise ValueError(f"formats: wants one or more of {', '.join(FORMATS)}, each once, got {self.formats!r}")
        object.__setattr__(self, "formats", tuple(name for name in FORMATS if name in formats))
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard: wants 1 or more, got {self.samples_per_shard}")
        if not self.label_set:
            raise ValueError("label_set: wants the name of a label set, got ''")
        if self.license is not None and not self.license.strip():
            raise ValueError(f"license: wants a name, or None where it is not known, got {self.license!r}")


@dataclass(frozen=True)
class ExportShard:
    """A shard to be written: `n_rows` rows of the plan (its path is relative to the store), from `first_row` on."""

    plan: str
    split: str
    number: int
    first_row: int
    n_rows: int


def plan_export(store: Path, rows: pa.Table, config: ExportConfig, classes: Sequence[str]) -> list[ExportShard]:
    """Cut the selection into shards of one split each, and keep it where the writers of the shards find it.

    `rows` has the columns of EXPORT_PLAN (others are ignored), sorted by split and rank; `classes` are all classes of
    the label set, in any order. Raises ValueError when rows are not so, when a sample is there twice, when a label is
    none of the classes, and when the name of a split is more than letters, digits and `_`.
    """
    names = [column.name for column in EXPORT_PLAN.columns if column.name in rows.column_names]
    plan = _without_abstained_labels(EXPORT_PLAN.build({name: rows[name] for name in names}))
    names = sort_classes(classes)
    _check_plan(plan, names)

    def write(writer: OutputWriter) -> None:
        writer.write(EXPORT_PLAN, plan)
        (writer.path / CLASSES).write_text("".join(f"{name}\n" for name in names))
        writer.counts["n_samples"] = plan.num_rows

    inputs = {"rows": fingerprint(plan.to_pylist()), "classes": names}
    done = make_output(store, "export-plan", PLAN_VERSION, inputs, write)
    return list(_cut(done.path, plan["split"].to_pylist(), config.samples_per_shard))


def _without_abstained_labels(plan: pa.Table) -> pa.Table:
    label = pc.if_else(pc.fill_null(plan["abstained"], False), pa.scalar(None, pa.string()), plan["label"])
    return plan.set_column(plan.schema.get_field_index("label"), plan.schema.field("label"), label)


def _check_plan(plan: pa.Table, classes: Sequence[str]) -> None:
    order = plan.select(["split", "rank"]).to_pylist()
    if order != sorted(order, key=lambda row: (row["split"], row["rank"])):
        raise ValueError("rows: want to be sorted by split and rank")
    splits = set(plan["split"].to_pylist())
    strange = sorted(split for split in splits if not re.fullmatch(r"\w+", split, re.ASCII))
    if strange:
        raise ValueError(f"rows, column 'split': wants letters, digits and _, got {strange[0]!r}")
    if any(not name.strip() or "\n" in name for name in classes):
        raise ValueError("classes: an empty name, or one of several lines, is among them")
    unknown = sorted(set(plan["label"].to_pylist()) - {None, *classes})
    if unknown:
        raise ValueError(f"rows, column 'label': {unknown[0]!r} is none of the {len(classes)} classes")


def _cut(plan: str, splits: Sequence[str], samples_per_shard: int) -> Iterator[ExportShard]:
    start = 0
    while start < len(splits):
        end, number = start + splits.count(splits[start]), 0
        for first in range(start, end, samples_per_shard):
            yield ExportShard(plan, splits[start], number, first, min(samples_per_shard, end - first))
            number += 1
        start = end


def read_classes(store: Path, plan: str) -> list[str]:
    """Return the classes of a plan, in order."""
    return (store / plan / CLASSES).read_text().splitlines()


def write_export_shard(store: Path, spec: ExportShard, config: ExportConfig) -> Done:
    """Write the samples of a shard, read once, in the formats of `config`, and SAMPLES and GONE beside them.

    The counts are n_samples, n_gone, n_labelled and n_bytes. A shard is found again when its rows, its formats and the
    classes are as they were, whatever its number. When some of its samples were gone and are back, it is written anew.
    """
    plan = open_output(store / spec.plan)
    rows = plan.read(EXPORT_PLAN).slice(spec.first_row, spec.n_rows)
    classes = read_classes(store, spec.plan)
    inputs = {"rows": fingerprint(rows.to_pylist()), "formats": config.formats, "classes": classes}

    def write(writer: OutputWriter) -> None:
        _write_shard(writer, rows, config.formats, class_indices(classes))

    done = make_output(store, "export-shard", SHARD_VERSION, inputs, write)
    back = _came_back(store, done, rows) if done.found and done.counts["n_gone"] else []
    return make_output(store, "export-shard", SHARD_VERSION, {**inputs, "back": back}, write) if back else done


def _write_shard(writer: OutputWriter, rows: pa.Table, formats: Iterable[Format], indices: Mapping[str, int]) -> None:
    exported: list[dict[str, Any]] = []
    gone: dict[str, str] = {}
    with ExitStack() as open_shards:
        shards = [open_shards.enter_context(_open_shard(name, writer.path, indices)) for name in formats]
        for row, (sample_id, data) in zip(rows.to_pylist(), read_samples(rows), strict=True):
            if isinstance(data, SampleGone):
                gone[sample_id] = data.reason
                continue
            exported.append(row)
            for shard in shards:
                shard.add(row, data)
    samples = {column.name: [row[column.name] for row in exported] for column in EXPORTED_SAMPLES.columns}
    writer.write(EXPORTED_SAMPLES, EXPORTED_SAMPLES.build(samples))
    writer.write(GONE, GONE.build({"sample_id": list(gone), "reason": list(gone.values())}))
    writer.counts["n_samples"] = len(exported)
    writer.counts["n_gone"] = len(gone)
    writer.counts["n_labelled"] = sum(row["label"] is not None for row in exported)
    writer.counts["n_bytes"] = sum(row["n_bytes"] for row in exported)


def _open_shard(name: Format, folder: Path, indices: Mapping[str, int]) -> WebDatasetShard | ParquetShard:
    path = folder / SHARD_FILES[name]
    return WebDatasetShard(path, indices) if name == "webdataset" else ParquetShard(path)


def _came_back(store: Path, done: Done, rows: pa.Table) -> list[str]:
    gone = gone_samples(store, [done])["sample_id"]
    missing = rows.filter(pc.is_in(rows["sample_id"], gone.combine_chunks()))
    return [sample_id for sample_id, data in read_samples(missing) if not isinstance(data, SampleGone)]


def gone_samples(store: Path, dones: Iterable[Done]) -> pa.Table:
    """Return GONE of some shards: the samples that are in no version made of them, and why."""
    tables = [open_output(store / done.path).read(GONE) for done in dones]
    return pa.concat_tables(tables) if tables else GONE.schema().empty_table()
