"""Scores of each sample: a filter is a SQL predicate over them."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

SCORES = Table(
    "scores",
    "One row for each embedded sample. Scores never delete: a filter of the config does, and says so.",
    (
        Column("sample_id", pa.string(), "the sample", references=("embeddings", "sample_id")),
        Column("nearest_similarity", pa.float32(), "cosine similarity to the nearest other sample", nullable=True),
        Column(
            "outlier_score", pa.float32(), "1 - mean cosine similarity to its k nearest; high = alone", nullable=True
        ),
        Column(
            "off_topic_score",
            pa.float32(),
            "rank from 0 to 1 of how far it, or its group, lies from the others: an order; null in pools below 600",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "foreign_score",
            pa.float32(),
            "by how many deviations its group is farther from the pool than others are; null in pools below 600",
            nullable=True,
            minimum=0,
        ),
    ),
    ("sample_id",),
)

MODEL_SCORES = Table(
    "model_scores",
    "What the models of `scores` in the config say of each readable sample: `model_scores['NAME.CLASS']` in `pool`.",
    (
        Column("sample_id", pa.string(), "the sample"),
        Column("score", pa.string(), "name of the scorer, a dot, and the class"),
        Column("value", pa.float32(), "probability of the class; null when there is an error", nullable=True),
        Column("error", pa.string(), "why there is no score; null when there is one", nullable=True),
    ),
    ("sample_id", "score"),
)
