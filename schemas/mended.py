"""What is passed over in the bytes that go out for a sample, where plain readers would fail over the original."""

import pyarrow as pa

from windrow.schemas.table import Column

DAMAGED_CHUNKS = "damaged chunks"
METADATA = "metadata"

MENDED = Column(
    "mended",
    pa.string(),
    "what is passed over in exported bytes, as plain readers fail over it: `damaged chunks` of a PNG, or `metadata`",
    nullable=True,
    one_of=(DAMAGED_CHUNKS, METADATA),
)
