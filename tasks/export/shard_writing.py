"""Export: the selected samples as shards of a training set, their bytes in WebDataset and in Parquet.

The bytes are the originals, but where plain readers would fail over them (`windrow.tasks.pictures.mending`).

`plan_export` cuts the selection into shards, `write_export_shard` writes one of them, and `publish_version` (in
`windrow.tasks.export.publication`) makes a version of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.exported import CHANNELS, EXPORTED_SAMPLES, GONE, TAR_OFFSET
from windrow.schemas.stages import Part
from windrow.schemas.texts.soft_names import SoftLabelSet
from windrow.tasks.export.channel_means import Measured, drawn_samples
from windrow.tasks.export.export_config import ExportConfig, Format
from windrow.tasks.export.export_plan import (
    ExportShard,
    read_classes,
    read_plan_rows,
    read_soft_rows,
)
from windrow.tasks.export.soft_arrays import Halves, rows_digest
from windrow.tasks.pictures.decoding import MAX_PIXELS, inspect_image
from windrow.tasks.pictures.mending import mended
from windrow.tasks.pictures.sandbox import Limits, Sandbox
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.published.class_labels import number_names
from windrow.tasks.storage.published.parquet_shards import ParquetShard
from windrow.tasks.storage.published.webdataset_shards import WebDatasetShard, class_indices
from windrow.tasks.storage.sources.sample_bytes import read_members, read_samples
from windrow.tasks.storage.sources.source import SampleBytes, SampleGone
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output
from windrow.tasks.tally import count

STAGE = Part.EXPORT_SHARD
VERSION = 4
MEMBER_LIMITS = Limits(seconds=60.0, memory_bytes=4 * 2**30)
SHARD_FILES: Mapping[Format, str] = {"webdataset": "shard.tar", "parquet": "shard.parquet"}


def write_export_shard(store: Path, spec: ExportShard, config: ExportConfig) -> Done:
    """Write the samples of a shard, read once, in the formats of `config`, with EXPORTED_SAMPLES and GONE beside them.

    CHANNELS are of some of them. The counts are n_samples, n_gone, n_labelled, n_measured and n_bytes. A shard is found
    again when its rows, its formats and the classes are as they were, whatever its number. When samples of it were gone
    and are back, it is written anew.
    """
    classes = read_classes(store, spec.plan)
    sidecars = config.sidecars and "webdataset" in config.formats
    soft = read_soft_rows(store, spec, config)
    names = number_names(classes, config.class_names) if "parquet" in config.formats else None
    inputs = {
        "rows": spec.rows,
        "formats": config.formats,
        "sidecars": sidecars,
        "classes": classes,
        "soft": [[each.file, each.column, rows_digest(found)] for each, found in soft.items()],
        "names": names,
    }

    def write(writer: OutputWriter) -> None:
        rows = read_plan_rows(store, spec)
        samples = read_members(rows, store) if sidecars else _without_members(read_samples(rows, store))
        _write_shard(writer, Contents(rows, soft, class_indices(classes), names), samples, config)

    done = make_output(store, STAGE, VERSION, inputs, write)
    back = _came_back(store, done, read_plan_rows(store, spec)) if done.found and done.counts["n_gone"] else []
    return make_output(store, STAGE, VERSION, {**inputs, "back": back}, write) if back else done


def _without_members(
    samples: Iterable[tuple[str, bytes | SampleGone]],
) -> Iterator[tuple[str, SampleBytes | SampleGone]]:
    return ((name, data if isinstance(data, SampleGone) else SampleBytes(data, {})) for name, data in samples)


@dataclass(frozen=True)
class Contents:
    """What goes into a shard beside the bytes: rows of the plan, their soft labels, and the index of each class.

    names: what these indices are called, if there is such a list.
    """

    rows: pa.Table
    soft: Mapping[SoftLabelSet, Halves]
    indices: Mapping[str, int]
    names: Sequence[str] | None

    def soft_of(self, number: int) -> dict[str, Halves]:
        """The soft labels of a row, by their columns."""
        return {each.column: found[number] for each, found in self.soft.items()}


def _write_shard(
    writer: OutputWriter,
    contents: Contents,
    samples: Iterable[tuple[str, SampleBytes | SampleGone]],
    config: ExportConfig,
) -> None:
    kept: list[int] = []
    tar_offsets: list[int | None] = []
    measured = Measured()
    gone: dict[str, str] = {}
    planned = contents.rows.to_pylist()
    drawn = drawn_samples(planned)
    with ExitStack() as opened:
        shards = [_open_shard(name, writer, contents, config, opened) for name in config.formats]
        for number, (row, (sample_id, found)) in enumerate(count(zip(planned, samples, strict=True))):
            if isinstance(found, SampleGone):
                gone[sample_id] = found.reason
                continue
            whole_image = replace(found, data=mended(found.data, row["mended"])) if row["mended"] else found
            offsets = [shard.add(row, whole_image, contents.soft_of(number)) for shard in shards]
            kept.append(number)
            tar_offsets.append(next((each for each in offsets if each is not None), None))
            if sample_id in drawn:
                measured.add(sample_id, found.data)
    means = measured.rows()
    exported = contents.rows.take(pa.array(kept, pa.int64()))
    table = config.further.added_to(EXPORTED_SAMPLES)
    known = {column.name: exported[column.name] for column in table.columns if column.name in exported.column_names}
    writer.write(table, table.build({**known, TAR_OFFSET.name: tar_offsets}))
    writer.write(
        CHANNELS, CHANNELS.build({column.name: [row[column.name] for row in means] for column in CHANNELS.columns})
    )
    for label_set, found_soft in contents.soft.items():
        np.save(writer.path / label_set.file, found_soft[kept])
    writer.write(GONE, GONE.build({"sample_id": list(gone), "reason": list(gone.values())}))
    writer.counts["n_samples"] = len(kept)
    writer.counts["n_gone"] = len(gone)
    writer.counts["n_measured"] = len(means)
    writer.counts["n_labelled"] = exported.num_rows - exported["label"].null_count
    writer.counts["n_bytes"] = pc.sum(exported["n_bytes"], min_count=0).as_py()


def _open_shard(
    name: Format, writer: OutputWriter, contents: Contents, config: ExportConfig, opened: ExitStack
) -> WebDatasetShard | ParquetShard:
    if name == "parquet":
        soft = [each.column for each in contents.soft]
        named = (contents.indices, contents.names)
        return opened.enter_context(ParquetShard(writer.path / SHARD_FILES[name], *named, config.further, soft))
    file = opened.enter_context(writer.appending(SHARD_FILES[name]))
    sandbox = opened.enter_context(Sandbox(inspect_image, MAX_PIXELS, limits=MEMBER_LIMITS))

    def is_image(data: bytes) -> bool:
        [(_, verdict)] = sandbox.map([(None, data)])
        return isinstance(verdict, dict) and verdict["mended"] is None

    return opened.enter_context(WebDatasetShard(file, contents.indices, is_image, config.further))


def _came_back(store: Path, done: Done, rows: pa.Table) -> list[str]:
    gone = whole(gone_samples(store, [done])["sample_id"])
    missing = rows.filter(pc.is_in(rows["sample_id"], gone))
    return [sample_id for sample_id, data in read_samples(missing, store) if not isinstance(data, SampleGone)]


def gone_samples(store: Path, dones: Iterable[Done]) -> pa.Table:
    """Return GONE of some shards: the samples that could not be exported, and why."""
    return read_table(GONE, [open_output(store / done.path).table_path(GONE) for done in dones])
