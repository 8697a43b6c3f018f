"""What is left of an ingested shard without some samples: nothing is read from a source and nothing embedded again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import (
    BACKBONES,
    CLASS_NAMES,
    EMBEDDINGS,
    OCCURRENCES,
    QUALITY,
    SAMPLES,
    SNIPPETS,
    SOURCE_COLUMNS,
    Table,
)
from windrow.schemas.stages import Part, Stage
from windrow.tasks.ingest.ingestion import COPY, occurrence_table, write_columns, write_shard
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.sources.packing import blank
from windrow.tasks.storage.store.outputs import Output, OutputWriter, all_outputs, make_output
from windrow.tasks.storage.store.refused_samples import without_samples
from windrow.tasks.storage.store.removed_outputs import replacing_output

VECTORS = {Stage.FEATURES: EMBEDDINGS, Part.SNIPPETS: SNIPPETS}


def is_as_declared(shard: Output) -> bool:
    """Say whether a shard's tables have the columns of today; one of an earlier code version is found by nobody."""
    return all(
        shard.table_path(table).exists() and pq.read_schema(shard.table_path(table)).names == table.schema().names
        for table in (OCCURRENCES, QUALITY, SAMPLES)
    )


def rewrite_shard(store: Path, shard: Output, refused: Mapping[str, str]) -> None:
    """Write a shard's tables as ingest would, and its vectors as features would; `refused`: see `ingest`.

    The embeddings come first, under the name that they have for the samples that are left, so that a kill in between
    loses none. Those of all samples are for the caller to remove.
    """
    ids = pa.array(list(refused), pa.string())
    rows = shard.read(OCCURRENCES).to_pylist()
    if not any(row["sample_id"] in refused for row in rows):
        return
    left, ranges = without_samples(rows, refused)
    with replacing_output(shard) as writer:
        if COPY in shard.files:
            shutil.copyfile(shard.path / COPY, writer.path / COPY)
            blank(writer.path / COPY, ranges)
        write_shard(
            writer, occurrence_table(iter(left)), _without(shard.read(SAMPLES), ids), _without(shard.read(QUALITY), ids)
        )
        if f"{SOURCE_COLUMNS.name}.parquet" in shard.files:
            write_columns(writer, shard.read(SOURCE_COLUMNS))
        if shard.table_path(CLASS_NAMES).exists():
            writer.write(CLASS_NAMES, shard.read(CLASS_NAMES))
        samples = file_digest(writer.path / f"{SAMPLES.name}.parquet")
        for stage, declared in VECTORS.items():
            for output in all_outputs(store, stage):
                if output.inputs["samples"] == shard.files[f"{SAMPLES.name}.parquet"]:
                    _vectors_without(store, output, stage, declared, samples, ids)


def _vectors_without(store: Path, output: Output, stage: str, declared: Table, samples: str, ids: pa.Array) -> None:
    def write(writer: OutputWriter) -> None:
        embeddings = _without(output.read(declared), ids)
        writer.write(declared, embeddings)
        if output.table_path(BACKBONES).exists():
            writer.write(BACKBONES, output.read(BACKBONES))
        n_errors = embeddings.num_rows - embeddings["error"].null_count
        writer.counts.update(n_samples=embeddings.num_rows, n_errors=n_errors)

    inputs = {name: value for name, value in output.inputs.items() if name not in ("stage", "version")}
    make_output(store, stage, output.inputs["version"], {**inputs, "samples": samples}, write)


def _without(table: pa.Table, ids: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["sample_id"], ids)))
