"""The hierarchy of clusters, and each sample's place in it."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

CLUSTERS = Table(
    "clusters",
    "One row for each cluster of each level of the hierarchy.",
    (
        Column("level", pa.int32(), "1 is the finest", minimum=1),
        Column("cluster_id", pa.int32(), "number of the cluster in its level, from 0", minimum=0),
        Column("parent_id", pa.int32(), "cluster of the next level; null at the top", nullable=True, minimum=0),
        Column("n_samples", pa.int64(), "samples below it", minimum=0),
        Column("n_members", pa.int64(), "clusters of the level below (samples, at level 1)", minimum=0),
        Column("mean_distance", pa.float32(), "mean distance of its members to the centroid", nullable=True),
        Column("inertia", pa.float64(), "sum of squared distances of its members to the centroid", minimum=0),
        Column("centroid", pa.list_(pa.float32()), "the centroid", vector=True),
    ),
    ("level", "cluster_id"),
)

ASSIGNMENTS = Table(
    "assignments",
    "Each sample's clusters.",
    (
        Column("sample_id", pa.string(), "the sample", references=("embeddings", "sample_id")),
        Column("cluster_path", pa.list_(pa.int32()), "its cluster at each level, finest first: cluster_path[1] in SQL"),
        Column("distance", pa.float32(), "Euclidean distance to the centroid of its finest cluster", minimum=0),
    ),
    ("sample_id",),
)

DRIFT = Table(
    "drift",
    "How new samples lay in the clusters of an earlier run (`clustering.refit`): one row, none without an earlier one.",
    (
        Column("refitted", pa.bool_(), "whether the pool was clustered again, starting from the earlier clusters"),
        Column("reasons", pa.string(), "why it was or should be; empty while the clusters will do"),
        Column("n_new", pa.int64(), "samples that the earlier run had not", minimum=0),
        Column("mean_distance", pa.float64(), "of new samples to the nearest finest centroid", minimum=0),
        Column("expected_distance", pa.float64(), "what it would be of samples like the earlier ones", minimum=0),
        Column("share_far", pa.float64(), "of new samples, farther than 99 % of such samples would be", minimum=0),
        Column(
            "n_new_regions", pa.int32(), "crowds of far samples, each about the size of a finest cluster", minimum=0
        ),
        Column(
            "share_unchanged", pa.float64(), "of earlier samples, whose finest cluster kept its number", nullable=True
        ),
    ),
    ("refitted",),
)
