"""LitData: chunks of the original bytes, a folder for each split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from windrow.tasks.conversion.converted_version import Format, SourceVersion


@dataclass(frozen=True)
class Lit(Format):
    """Samples are dicts: image (the original bytes), label (-100 for none), sample_id, sample_index and info (JSON)."""

    name: ClassVar[str] = "litdata"
    needs: ClassVar[str | None] = "litdata"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        from litdata.streaming.writer import BinaryWriter

        for split in version.splits:
            (folder / split).mkdir()
            writer = BinaryWriter(str(folder / split), chunk_bytes="64MB")
            for number, sample in enumerate(version.iterate(split)):
                writer[number] = {
                    "image": sample.data,
                    "label": sample.label,
                    "sample_id": sample.row["sample_id"],
                    "sample_index": sample.row["sample_index"],
                    "info": json.dumps(sample.row, ensure_ascii=False),
                }
            writer.done()
            writer.merge(1)
