"""What can be said of a picture before any model has seen it."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

QUALITY = Table(
    "quality",
    "Cheap measures of each readable sample, of its luma at 128 x 128 pixels, made while it is ingested.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column(
            "blur",
            pa.float32(),
            "variance of the Laplacian of luma in 0..1: the lower, the more blurred; of photographs 0.002 to 0.09,"
            " under 0.001 when plainly out of focus",
            minimum=0,
        ),
        Column("brightness", pa.float32(), "mean luma, 0 black to 1 white", minimum=0, maximum=1),
        Column("contrast", pa.float32(), "standard deviation of luma, 0 flat to 0.5", minimum=0, maximum=0.5),
        Column("entropy", pa.float32(), "bits of the histogram of luma, 0 to 8", minimum=0, maximum=8),
        Column(
            "phash",
            pa.int64(),
            "perceptual hash of 64 bits, null for a flat picture; `bit_count(xor(a.phash, b.phash))` is the distance of"
            " two: even, 0 to 6 as a rule for copies, about 32 for pictures that have nothing in common",
            nullable=True,
        ),
    ),
    ("sample_id",),
)

HASH_GROUPS = Table(
    "hash_groups",
    "Candidates for near-duplicates, known before any embedding: samples that look alike by their perceptual hash.",
    (
        Column(
            "sample_id",
            pa.string(),
            "a sample whose hash is near another's (`hashes.max_distance`)",
            references=("quality", "sample_id"),
        ),
        Column("group_id", pa.string(), "lowest sample_id of those that chains of near hashes join"),
        Column("n_in_group", pa.int64(), "samples in the group", minimum=2),
    ),
    ("sample_id",),
)
