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

from windrow.schemas.exported import EXPORTED, LABEL_INDEX, Further
from windrow.tasks.storage.published.webdataset_shards import EVERY_VERSION, image_extension
from windrow.tasks.storage.sources.source import SampleBytes

Halves = npt.NDArray[np.float16]

SAMPLES_PER_GROUP = 100
BYTES_PER_GROUP = 64 << 20

_IMAGE = {"image": {"_type": "Image"}}


class ParquetShard:
    """Writes one shard in row groups of SAMPLES_PER_GROUP samples or BYTES_PER_GROUP bytes, whichever comes first.

    Small groups, because a reader of images holds a group at a time, and so does this writer. `indices` is the index of
    each class (`class_indices`), `names` what each of these numbers is called, if there is such a list; `datasets` gets
    it with the file. `further` says which columns come beside those of every version, `soft` names those of soft
    labels. `add` raises KeyError on a label that is not in `indices`.
    """

    def __init__(
        self,
        path: Path,
        indices: Mapping[str, int],
        names: Sequence[str] | None,
        further: Further = EVERY_VERSION,
        soft: Sequence[str] = (),
    ) -> None:
        schema = further.added_to(EXPORTED).schema()
        self._known = frozenset(schema.names) - {LABEL_INDEX.name, "image"}
        for name in soft:
            schema = schema.append(pa.field(name, pa.list_(pa.float16())))
        label = {LABEL_INDEX.name: {"names": list(names), "_type": "ClassLabel"}} if names else {}
        features = json.dumps({"info": {"features": {**_IMAGE, **label}}}, ensure_ascii=False)
        self._schema = schema.with_metadata({**schema.metadata, "huggingface": features})
        self._indices = indices
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",  # passes quickly over what is compressed already
            use_dictionary=["split", "label", "given_label", "format"],
            write_page_checksum=True,
        )
        self._group: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
        self._n_bytes = 0

    def add(self, row: Mapping[str, Any], sample: SampleBytes, soft: Mapping[str, Halves]) -> None:
        """Add the original bytes of a sample, what the plan says about it, and its soft labels (NaN: it has none)."""
        name = f"{row['sample_id']}.{image_extension(row['format'])}"
        image = {"bytes": sample.data, "path": name}
        given = {name: None if np.isnan(values).any() else values for name, values in soft.items()}
        index = None if row["label"] is None else self._indices[row["label"]]
        self._group.append((row, {LABEL_INDEX.name: index, "image": image, **given}))
        self._n_bytes += len(sample.data)
        if len(self._group) >= SAMPLES_PER_GROUP or self._n_bytes >= BYTES_PER_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        known, made = zip(*self._group, strict=True)
        arrays = [
            pa.array([row[field.name] for row in (known if field.name in self._known else made)], field.type)
            for field in self._schema
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._group, self._n_bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._group:
            self._write_group()
        self._writer.close()
