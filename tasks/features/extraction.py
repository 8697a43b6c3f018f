"""Features: an embedding of it, or of its snippets, or an error, for every readable sample of ingested shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas import SAMPLES
from windrow.tasks.backbones import Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import Embedded, embed_images
from windrow.tasks.backbones.snippets import SnippetBackbone
from windrow.tasks.executors.state import worker_state
from windrow.tasks.features.pool_images import first_occurrences
from windrow.tasks.features.remembered import Told, memory_path, recall
from windrow.tasks.features.shard_vectors import SAMPLES_FILE, VERSION, BackboneIdentity, ShardVectors
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    fingerprint,
    make_output,
    open_output,
)
from windrow.tasks.tally import count

EmbeddingRow = tuple[str, npt.NDArray[np.float16], str | None]
"""A sample_id, its embedding (zero where there is none) and why there is none."""


def identify_backbone(config: BackboneConfig, weights: Path | None, store: Path | None = None) -> BackboneIdentity:
    """Say what a backbone is; it is loaded in this process, unless the `store` remembers it (`remembered.py`).

    Raises BackboneUnavailable or ValueError, saying what to do, when it cannot be loaded or does not fit.
    """
    if store is None:
        return _identity(load_backbone(config, weights))

    def load() -> Told:
        loaded = load_backbone(config, weights)
        return asdict(_identity(loaded)), loaded.files

    return BackboneIdentity(**recall(_memory(store, config, weights), load))


def _memory(store: Path, config: BackboneConfig, weights: Path | None) -> Path:
    return memory_path(store, config.name, {**asdict(config), "weights": weights and str(weights)})


def _identity(backbone: Backbone) -> BackboneIdentity:
    recipe = f"{backbone.preprocessing}; {backbone.precision}, batches of {backbone.batch_size}"
    parts = (backbone.version, backbone.layer, backbone.pooling, recipe, backbone.dim)
    backbone_id = fingerprint(parts)[:16]
    return BackboneIdentity(
        backbone_id, backbone.name, backbone.version, backbone.layer, backbone.pooling, recipe, backbone.dim
    )


def extract_shards(
    store: Path,
    ingested: Sequence[str],
    config: BackboneConfig,
    weights: Path | None,
    backbone: BackboneIdentity,
    grid: int | None = None,
) -> list[Done]:
    """Embed the samples of ingested shards; batches run over the boundaries of shards.

    One output for each ingested shard: EMBEDDINGS, sorted by `sample_id`, and BACKBONES; with a grid SNIPPETS in their
    stead. It depends on the shard's samples, the backbone and the grid, not on names or labels. Finished shards are not
    done again.
    """
    shards = [open_output(store / path) for path in ingested]
    vectors = ShardVectors(store, backbone, grid)
    wanted = _Wanted(vectors)

    def load() -> Backbone:
        whole = loaded_backbone(config, weights, backbone)
        return whole if grid is None else SnippetBackbone(whole, grid)

    stream = _embedded(store, shards, wanted, load)
    return [write_vectors(vectors, shard, islice(stream, wanted.n_rows(shard))) for shard in shards]


class _Wanted:
    """Which shards' samples go through the backbone: each content once, and not what is done when its turn comes.

    Decided once for each, or the rows of one shard would end up in another: the samples are read ahead of the shard
    that is written, and meanwhile another run may finish it, or the shard before it may turn out to hold the same.
    """

    def __init__(self, vectors: ShardVectors) -> None:
        self._vectors = vectors
        self._first: dict[str, Path | None] = {}

    def n_rows(self, shard: Output) -> int:
        """The number of samples of a shard that are embedded: all or none."""
        key = shard.files[SAMPLES_FILE]
        if key not in self._first:
            self._first[key] = None if self._vectors.is_done(shard) else shard.path
        return shard.counts["n_samples"] if self._first[key] == shard.path else 0


def _embedded(
    store: Path, shards: Sequence[Output], wanted: _Wanted, load: Callable[[], Backbone]
) -> Iterator[EmbeddingRow]:
    """The rows of the shards that are wanted; the backbone is loaded when the first is asked for."""
    loaded = load()
    pending = (shard for shard in shards if wanted.n_rows(shard))
    samples = chain.from_iterable(read_samples(first_occurrences(shard), store) for shard in pending)
    gone: dict[str, str] = {}
    yield from count(embedding_rows(embed_images(loaded, _bytes_or_nothing(samples, gone)), gone))


def loaded_backbone(config: BackboneConfig, weights: Path | None, wanted: BackboneIdentity) -> Backbone:
    """In a worker: return the backbone, loaded once. Raises RuntimeError where it is not the one that is `wanted`."""
    return worker_state(_load_known, config, weights, wanted)


def _load_known(config: BackboneConfig, weights: Path | None, wanted: BackboneIdentity) -> Backbone:
    loaded = load_backbone(config, weights)
    if (found := _identity(loaded)) != wanted:
        came = f"loading it gave {found.backbone_id} where {wanted.backbone_id} was expected"
        raise RuntimeError(f"{config.name} has changed since it was identified ({came}): run again")
    return loaded


def _bytes_or_nothing(
    samples: Iterable[tuple[str, bytes | SampleGone]], gone: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    for sample_id, data in samples:
        if isinstance(data, SampleGone):
            gone[sample_id] = data.reason
        yield sample_id, b"" if isinstance(data, SampleGone) else data


def embedding_rows(batches: Iterable[Embedded], gone: dict[str, str]) -> Iterator[EmbeddingRow]:
    """Yield the rows of batches; `gone`: why the bytes of some samples are not there, which is said of them instead."""
    for batch in batches:
        for sample_id, vector, error in zip(batch.sample_ids, batch.embeddings, batch.errors, strict=True):
            yield sample_id, vector, gone.pop(sample_id, error)


def write_vectors(vectors: ShardVectors, shard: Output, rows: Iterable[EmbeddingRow]) -> Done:
    """Write the vectors of an ingested shard, in whatever order they come, unless that is done.

    Raises RuntimeError when they are not those of its samples.
    """
    embedded = sorted(rows, key=lambda row: row[0])

    def write(writer: OutputWriter) -> None:
        n_samples = shard.counts["n_samples"]
        if [row[0] for row in embedded] != shard.read(SAMPLES, ["sample_id"])["sample_id"].to_pylist():
            raise RuntimeError(f"{shard.path}: {len(embedded)} embeddings are not those of its {n_samples} samples")
        vectors.write(writer, _columns(embedded, vectors.dim))
        n_errors = sum(error is not None for _, _, error in embedded)
        writer.counts.update(n_samples=n_samples, n_errors=n_errors)

    return make_output(vectors.store, vectors.stage, VERSION, vectors.inputs(shard), write)


def _columns(rows: Sequence[EmbeddingRow], dim: int) -> dict[str, Any]:
    vectors = np.stack([vector for _, vector, _ in rows]) if rows else np.empty((0, dim), np.float16)
    failed = pa.array([error is not None for _, _, error in rows], pa.bool_())
    flat = pa.array(vectors.reshape(-1), pa.float16())
    return {
        "sample_id": pa.array([sample_id for sample_id, _, _ in rows], pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, dim, mask=failed),
        "error": pa.array([error for _, _, error in rows], pa.string()),
    }
