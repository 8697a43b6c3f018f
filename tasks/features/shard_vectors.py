"""The vectors of a shard's samples: what makes them comparable, what they depend on, and how they are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas import BACKBONES, EMBEDDINGS, SAMPLES, SNIPPETS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.ingest.stale_shards import N_CHANGES
from windrow.tasks.storage.store.outputs import Output, OutputWriter, is_done

VERSION = 2
SAMPLES_FILE = f"{SAMPLES.name}.parquet"


@dataclass(frozen=True)
class BackboneIdentity:
    """What makes two embeddings comparable, as in the table `backbones`. `backbone_id` names all of it."""

    backbone_id: str
    name: str
    version: str
    layer: str
    pooling: str
    preprocessing: str
    dim: int


@dataclass(frozen=True)
class ShardVectors:
    """Which vectors are made, and where: those of pictures, or of the snippets of a grid."""

    store: Path
    backbone: BackboneIdentity
    grid: int | None

    @property
    def stage(self) -> Stage | Part:
        """What makes them."""
        return Stage.FEATURES if self.grid is None else Part.SNIPPETS

    @property
    def dim(self) -> int:
        """How many numbers a sample has."""
        return self.backbone.dim * (self.grid or 1) ** 2

    def inputs(self, shard: Output) -> dict[str, Any]:
        """What a shard's vectors depend on."""
        # What failed is tried again.
        changes = {N_CHANGES: shard.inputs[N_CHANGES]} if N_CHANGES in shard.inputs else {}
        grid = {} if self.grid is None else {"grid": self.grid}
        samples = shard.files[SAMPLES_FILE]
        return {"samples": samples, "backbone_id": self.backbone.backbone_id, **grid, **changes}

    def is_done(self, shard: Output) -> bool:
        """Whether a shard's vectors are there."""
        return is_done(self.store, self.stage, VERSION, self.inputs(shard))

    def write(self, writer: OutputWriter, columns: dict[str, Any]) -> None:
        """Write the vectors' table, without the columns that are the same in every row, and the backbone's."""
        columns["backbone_id"] = pa.scalar(self.backbone.backbone_id)
        if self.grid is None:
            writer.write(EMBEDDINGS, EMBEDDINGS.build(columns, dim=self.dim))
            writer.write(BACKBONES, BACKBONES.build({key: [value] for key, value in asdict(self.backbone).items()}))
        else:
            writer.write(SNIPPETS, SNIPPETS.build({**columns, "grid": pa.scalar(self.grid)}, dim=self.dim))
