"""A Parquet shard with the bytes of its images, in the layout of Hugging Face's `datasets`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORTED
from windrow.tasks.storage.published.webdataset_shards import image_extension
from windrow.tasks.storage.sources.source import SampleBytes

SAMPLES_PER_GROUP = 100
BYTES_PER_GROUP = 64 << 20

_HUGGINGFACE = {"info": {"features": {"image": {"_type": "Image"}}}}


class ParquetShard:
    """Writes one shard in row groups of SAMPLES_PER_GROUP samples or BYTES_PER_GROUP bytes, whichever comes first.

    Small groups, because a reader of images holds a group at a time, and so does this writer.
    """

    def __init__(self, path: Path) -> None:
        schema = EXPORTED.schema()
        self._schema = schema.with_metadata({**schema.metadata, "huggingface": json.dumps(_HUGGINGFACE)})
        self._columns = [column.name for column in EXPORTED.columns if column.name != "image"]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",  # passes quickly over what is compressed already
            use_dictionary=["split", "label", "given_label", "format"],
            write_page_checksum=True,
        )
        self._group: list[dict[str, Any]] = []
        self._n_bytes = 0

    def add(self, row: Mapping[str, Any], sample: SampleBytes) -> None:
        """Add the original bytes of a sample and what the plan says about it."""
        name = f"{row['sample_id']}.{image_extension(row['format'])}"
        image = {"bytes": sample.data, "path": name}
        self._group.append({**{column: row[column] for column in self._columns}, "image": image})
        self._n_bytes += len(sample.data)
        if len(self._group) >= SAMPLES_PER_GROUP or self._n_bytes >= BYTES_PER_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._group, schema=self._schema))
        self._group, self._n_bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._group:
            self._write_group()
        self._writer.close()
