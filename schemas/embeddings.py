"""Backbones, and the embedding of each sample by one of them."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

BACKBONES = Table(
    "backbones",
    "The feature extractors that made the embeddings.",
    (
        Column("backbone_id", pa.string(), "first 16 hex digits of SHA-256 of the other columns"),
        Column("name", pa.string(), "as the config names it"),
        Column("version", pa.string(), "hash of the weights"),
        Column("layer", pa.string(), "layer that is read"),
        Column("pooling", pa.string(), "how positions become one vector"),
        Column("preprocessing", pa.string(), "size, filter, crop, normalisation and decoder"),
        Column("dim", pa.int32(), "length of an embedding", minimum=1),
    ),
    ("backbone_id",),
)

CHOSEN_BACKBONE = Table(
    "chosen_backbone",
    "What a store's pool decided of a backbone that the config left open; the one row stays.",
    (
        Column("name", pa.string(), "as the config could name it"),
        Column("image_size", pa.int32(), "side in pixels; null: the backbone's own", nullable=True, minimum=16),
        Column("reason", pa.string(), "what of the pool spoke for it"),
    ),
    ("name",),
)

FITTED_ON = Table(
    "fitted_on",
    "The samples that a backbone was fitted on, kept beside it: a take-down of one of them removes it.",
    (Column("sample_id", pa.string(), "the sample"),),
    ("sample_id",),
)

EMBEDDINGS = Table(
    "embeddings",
    "One vector for each readable sample.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("backbone_id", pa.string(), "the backbone", references=("backbones", "backbone_id")),
        Column("embedding", pa.list_(pa.float16()), "the vector; null when there is an error", True, vector=True),
        Column("error", pa.string(), "why there is no embedding; null when there is one", nullable=True),
    ),
    ("sample_id",),
)

SNIPPETS = Table(
    "snippets",
    "One vector for each readable sample of a pool whose classes are told by their names (`labels.multi.cdul`): the "
    "embeddings of its snippets, row by row, one after the other.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("backbone_id", pa.string(), "the backbone", references=("backbones", "backbone_id")),
        Column("grid", pa.int32(), "the picture is cut into grid x grid snippets", minimum=2),
        Column("embedding", pa.list_(pa.float16()), "the vectors; null when there is an error", True, vector=True),
        Column("error", pa.string(), "why there are none; null when there are", nullable=True),
    ),
    ("sample_id",),
)

NEIGHBORS = Table(
    "neighbors",
    "The k nearest samples of each sample by cosine similarity (the k-NN graph of the pool).",
    (
        Column("sample_id", pa.string(), "the sample", references=("embeddings", "sample_id")),
        Column("position", pa.int64(), "its place in the order of sample_id, from 0", minimum=0),
        Column("neighbors", pa.list_(pa.int64()), "positions of the nearest samples, nearest first", vector=True),
        Column("similarity", pa.list_(pa.float32()), "their cosine similarities", vector=True),
    ),
    ("sample_id",),
)

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
