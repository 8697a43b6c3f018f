"""The map of a pool, which `windrow explore` makes."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

MAP_PLACES = Table(
    "map_places",
    "Each embedded sample's place in two planes. `windrow explore` makes it of a run's embeddings when it is first "
    "asked for; it is no part of a run.",
    (
        Column("sample_id", pa.string(), "the sample", references=("embeddings", "sample_id")),
        Column("x", pa.float32(), "its place among its neighbours (t-SNE)"),
        Column("y", pa.float32(), "the other coordinate"),
        Column("component_1", pa.float32(), "its first principal component"),
        Column("component_2", pa.float32(), "its second principal component"),
    ),
    ("sample_id",),
)
