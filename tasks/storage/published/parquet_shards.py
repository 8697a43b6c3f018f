"""A Parquet shard with the bytes of its images, in the layout of Hugging Face's `datasets`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORTED, Further
from windrow.tasks.storage.published.webdataset_shards import EVERY_VERSION, image_extension
from windrow.tasks.storage.sources.source import SampleBytes

Halves = npt.NDArray[np.float16]

SAMPLES_PER_GROUP = 100
BYTES_PER_GROUP = 64 << 20

_HUGGINGFACE = {"info": {"features": {"image": {"_type": "Image"}}}}


class ParquetShard:
    """Writes one shard in row groups of SAMPLES_PER_GROUP samples or BYTES_PER_GROUP bytes, whichever comes first.

    `further` says which columns come beside those of every version, `soft` names those of soft labels.
    Small groups, because a reader of images holds a group at a time, and so does this writer.
    """

    def __init__(self, path: Path, further: Further = EVERY_VERSION, soft: Sequence[str] = ()) -> None:
        schema = further.added_to(EXPORTED).schema()
        self._columns = [name for name in schema.names if name != "image"]
        for name in soft:
            schema = schema.append(pa.field(name, pa.list_(pa.float16())))
        self._schema = schema.with_metadata({**schema.metadata, "huggingface": json.dumps(_HUGGINGFACE)})
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",  # passes quickly over what is compressed already
            use_dictionary=["split", "label", "given_label", "format"],
            write_page_checksum=True,
        )
        self._group: list[dict[str, Any]] = []
        self._n_bytes = 0

    def add(self, row: Mapping[str, Any], sample: SampleBytes, soft: Mapping[str, Halves]) -> None:
        """Add the original bytes of a sample, what the plan says about it, and its soft labels (NaN: it has none)."""
        name = f"{row['sample_id']}.{image_extension(row['format'])}"
        image = {"bytes": sample.data, "path": name}
        given = {name: None if np.isnan(values).any() else values for name, values in soft.items()}
        self._group.append({**{column: row[column] for column in self._columns}, "image": image, **given})
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
