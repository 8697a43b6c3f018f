"""What each sample is, and the dense index that trainers use."""

import pyarrow as pa

from windrow.schemas.table import Column, Table
from windrow.schemas.texts.mends import DAMAGED_CHUNKS, METADATA

MENDED = Column(
    "mended",
    pa.string(),
    "what is passed over in exported bytes, as plain readers fail over it: `damaged chunks` of a PNG, or `metadata`",
    nullable=True,
    one_of=(DAMAGED_CHUNKS, METADATA),
)

SAMPLES = Table(
    "samples",
    "One row for each distinct readable sample; a sample is its bytes.",
    (
        Column(
            "sample_id",
            pa.string(),
            "first 32 hex digits of SHA-256 of the bytes (`sha256sum` gives the same)",
            references=("registry", "sample_id"),
        ),
        Column("width", pa.int32(), "pixels, after EXIF orientation", minimum=1),
        Column("height", pa.int32(), "pixels, after EXIF orientation", minimum=1),
        Column("mode", pa.string(), "colour mode as stored (Pillow's name: RGB, L, P, CMYK, I;16, ...)"),
        Column("format", pa.string(), "image format (JPEG, PNG, ...), from the bytes and not from the name"),
        Column("n_frames", pa.int32(), "frames; only the first is used", minimum=1),
        Column("exif_orientation", pa.int32(), "1 (upright) to 8", minimum=1, maximum=8),
        Column("n_bytes", pa.int64(), "size of the sample", minimum=1),
        MENDED,
    ),
    ("sample_id",),
)

REGISTRY = Table(
    "registry",
    "The dense index of each sample ever seen by this store: append-only, never reused.",
    (
        Column("sample_id", pa.string(), "the sample; `forgotten-<index>` where it was forgotten"),
        Column("sample_index", pa.int64(), "dense index, from 0, for trainers with per-sample state", minimum=0),
    ),
    ("sample_id",),
)
