"""MosaicML Streaming: MDS shards, a folder for each split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from windrow.tasks.conversion.converted_version import Format, SourceVersion

COLUMNS = {"image": "bytes", "label": "int", "sample_id": "str", "sample_index": "int", "info": "str"}


@dataclass(frozen=True)
class Mosaic(Format):
    """Columns image (the original bytes), label (-100 for none), sample_id, sample_index and info (JSON)."""

    name: ClassVar[str] = "mds"
    needs: ClassVar[str | None] = "streaming"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        from streaming import MDSWriter

        for split in version.splits:
            with MDSWriter(out=str(folder / split), columns=COLUMNS, compression=None, hashes=["sha256"]) as writer:
                for sample in version.iterate(split):
                    writer.write(
                        {
                            "image": sample.data,
                            "label": sample.label,
                            "sample_id": sample.row["sample_id"],
                            "sample_index": sample.row["sample_index"],
                            "info": json.dumps(sample.row, ensure_ascii=False),
                        }
                    )
