"""Lance: one table for all splits, a row for each sample with its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from windrow.schemas.exported import EXPORTED_SAMPLES, Further
from windrow.tasks.conversion.converted_version import Format, SourceVersion

ROWS = 256


@dataclass(frozen=True)
class LanceTable(Format):
    """The columns of a version's samples, `label_index` (-100 for none) and `image`, the original bytes."""

    name: ClassVar[str] = "lance"
    needs: ClassVar[str | None] = "lance"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        import lance

        extra = [pa.field("label_index", pa.int64()), pa.field("image", pa.large_binary())]
        declared = Further.of(version.manifest).added_to(EXPORTED_SAMPLES)
        schema = pa.schema([*declared.schema(), *extra])
        reader = pa.RecordBatchReader.from_batches(schema, _batches(version, schema))
        lance.write_dataset(reader, str(folder / "samples.lance"))


def _batches(version: SourceVersion, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    samples = (sample for split in version.splits for sample in version.iterate(split))
    while some := list(islice(samples, ROWS)):
        rows = [{**sample.row, "label_index": sample.label, "image": sample.data} for sample in some]
        yield pa.RecordBatch.from_pylist(rows, schema=schema)
