"""Features: an embedding, or an error, for every readable sample of ingested shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from windrow.schemas import BACKBONES, EMBEDDINGS, SAMPLES
from windrow.schemas.embeddings import FITTED_ON
from windrow.schemas.stages import Part, Stage
from windrow.tasks.backbones import Backbone, BackboneConfig, backbone_class, load_backbone
from windrow.tasks.backbones.extract import Embedded, embed_images
from windrow.tasks.executors.state import worker_state
from windrow.tasks.features.pool_images import first_occurrences, pool_images
from windrow.tasks.features.remembered import Told, memory_path, recall
from windrow.tasks.ingest.stale_shards import N_CHANGES
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    fingerprint,
    is_done,
    make_output,
    open_output,
)
from windrow.tasks.tally import count

STAGE = Stage.FEATURES
VERSION = 2
FIT_VERSION = 2
FITTED = "patches.npz"
N_IMAGES_TO_FIT = 2000
SIDE_TO_FIT = 2048  # of pictures that are very much larger, no more is looked at

_SAMPLES_FILE = f"{SAMPLES.name}.parquet"
EmbeddingRow = tuple[str, npt.NDArray[np.float16], str | None]
"""A sample_id, its embedding (zero where there is none) and why there is none."""


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


def fit_backbone(store: Path, ingested: Sequence[str], config: BackboneConfig, seed: int) -> Done | None:
    """Fit a backbone on a sample of the pool, once for a store; None for a backbone that needs no fit.

    The images are those with the lowest `sample_id`, which is a hash: a uniform sample of the pool. The pool is not
    part of the fingerprint: the first fit stays, or every night's new samples would change all embeddings. It stays
    until one of its samples is forgotten (FITTED_ON names them): the next run then fits anew and embeds anew.
    """
    if not config.is_fitted:
        return None

    def write(writer: OutputWriter) -> None:
        used: set[str] = set()
        found = pool_images(store, [open_output(store / path) for path in ingested], N_IMAGES_TO_FIT, SIDE_TO_FIT)
        backbone_class(config).fit(config, _noted(found, used), writer.path / FITTED, N_IMAGES_TO_FIT, seed)
        writer.write(FITTED_ON, FITTED_ON.build({"sample_id": sorted(used)}))

    inputs = {"image_size": config.image_size, "seed": seed, "n_images": N_IMAGES_TO_FIT}
    return make_output(store, Part.FITTED_BACKBONE, FIT_VERSION, inputs, write)


def _noted(found: Iterable[tuple[str, Image.Image]], used: set[str]) -> Iterator[Image.Image]:
    for sample_id, image in found:
        used.add(sample_id)
        yield image


def extract_shards(
    store: Path, ingested: Sequence[str], config: BackboneConfig, weights: Path | None, backbone: BackboneIdentity
) -> list[Done]:
    """Embed the samples of ingested shards; batches run over the boundaries of shards.

    One output for each ingested shard: EMBEDDINGS, sorted by `sample_id`, and BACKBONES. It depends on the shard's
    samples and on the backbone, not on names or labels. Finished shards are not done again.
    """
    shards = [open_output(store / path) for path in ingested]
    wanted = _Wanted(store, backbone)
    stream = _embedded(store, shards, wanted, lambda: loaded_backbone(config, weights, backbone))
    return [write_embeddings(store, shard, backbone, islice(stream, wanted.n_rows(shard))) for shard in shards]


class _Wanted:
    """Which shards' samples go through the backbone: each content once, and not what is done when its turn comes.

    Decided once for each, or the rows of one shard would end up in another: the samples are read ahead of the shard
    that is written, and meanwhile another run may finish it, or the shard before it may turn out to hold the same.
    """

    def __init__(self, store: Path, backbone: BackboneIdentity) -> None:
        self._store, self._backbone = store, backbone
        self._first: dict[str, Path | None] = {}

    def n_rows(self, shard: Output) -> int:
        """The number of samples of a shard that are embedded: all or none."""
        key = shard.files[_SAMPLES_FILE]
        if key not in self._first:
            done = is_done(self._store, STAGE, VERSION, _key_inputs(shard, self._backbone))
            self._first[key] = None if done else shard.path
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


def _key_inputs(shard: Output, backbone: BackboneIdentity) -> dict[str, Any]:
    changes = {N_CHANGES: shard.inputs[N_CHANGES]} if N_CHANGES in shard.inputs else {}  # what failed is tried again
    return {"samples": shard.files[_SAMPLES_FILE], "backbone_id": backbone.backbone_id, **changes}


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


def write_embeddings(store: Path, shard: Output, backbone: BackboneIdentity, rows: Iterable[EmbeddingRow]) -> Done:
    """Write the embeddings of an ingested shard, in whatever order they come, unless that is done.

    Raises RuntimeError when they are not those of its samples.
    """
    embedded = sorted(rows, key=lambda row: row[0])

    def write(writer: OutputWriter) -> None:
        n_samples = shard.counts["n_samples"]
        if [row[0] for row in embedded] != shard.read(SAMPLES, ["sample_id"])["sample_id"].to_pylist():
            raise RuntimeError(f"{shard.path}: {len(embedded)} embeddings are not those of its {n_samples} samples")
        writer.write(EMBEDDINGS, _embeddings_table(embedded, backbone))
        columns = {key: [value] for key, value in asdict(backbone).items()}
        writer.write(BACKBONES, BACKBONES.build(columns))
        n_errors = sum(error is not None for _, _, error in embedded)
        writer.counts.update(n_samples=n_samples, n_errors=n_errors)

    return make_output(store, STAGE, VERSION, _key_inputs(shard, backbone), write)


def _embeddings_table(rows: Sequence[EmbeddingRow], backbone: BackboneIdentity) -> pa.Table:
    vectors = np.stack([vector for _, vector, _ in rows]) if rows else np.empty((0, backbone.dim), np.float16)
    failed = pa.array([error is not None for _, _, error in rows], pa.bool_())
    flat = pa.array(vectors.reshape(-1), pa.float16())
    columns = {
        "sample_id": pa.array([sample_id for sample_id, _, _ in rows], pa.string()),
        "backbone_id": pa.array([backbone.backbone_id] * len(rows), pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, backbone.dim, mask=failed),
        "error": pa.array([error for _, _, error in rows], pa.string()),
    }
    return EMBEDDINGS.build(columns, dim=backbone.dim)
