"""Samples in, embeddings out: threads decode ahead of the model, and order is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from windrow.tasks.backbones.backbone import Backbone
from windrow.tasks.pictures.guarded import decode_all_guarded, prepare_all_guarded
from windrow.tasks.pictures.sandbox import BATCH_IMAGES

BYTES_AT_ONCE = 2**20
"""Of files that a sandbox gets together: what it costs to ask is little beside what it takes to decode them."""
NON_FINITE = "backbone gave a non-finite embedding"


@dataclass(frozen=True)
class Embedded:
    """One batch in the order of the samples. `embeddings`: (m, dim) float16, zero where `errors` has a reason."""

    sample_ids: list[str]
    embeddings: npt.NDArray[np.float16]
    errors: list[str | None]


def embed_images(
    backbone: Backbone,
    samples: Iterable[tuple[str, bytes]],
    *,
    batch_size: int | None = None,
    decode_threads: int = 2,
    prefetch: int = 2,
) -> Iterator[Embedded]:
    """Embed (sample_id, image bytes) pairs, in order, `batch_size` at a time (the last may be shorter).

    `batch_size` None is the backbone's own, its cheapest. `decode_threads` threads decode up to `prefetch` batches
    ahead; `samples` is read from the caller's thread only, no further than that. Every sample comes out exactly once:
    one that cannot be decoded, or whose embedding is not finite in float16, has its reason in `errors`.
    """
    size = backbone.batch_size if batch_size is None else batch_size
    for name, value in (("batch_size", size), ("decode_threads", decode_threads), ("prefetch", prefetch)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    return _embedded(backbone, iter(samples), size, decode_threads, prefetch)


_Prepared = npt.NDArray[np.uint8] | str
_Batch = list[tuple[list[str], "Future[list[_Prepared]]"]]


def _embedded(
    backbone: Backbone, samples: Iterator[tuple[str, bytes]], size: int, threads: int, prefetch: int
) -> Iterator[Embedded]:
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:

        def submitted() -> _Batch:
            return [
                ([sample_id for sample_id, _ in some], pool.submit(_prepared, backbone, [data for _, data in some]))
                for some in _together(islice(samples, size))
            ]

        ahead: deque[_Batch] = deque()
        try:
            while True:
                while len(ahead) <= prefetch and (batch := submitted()):
                    ahead.append(batch)
                if not ahead:
                    return
                batch = ahead.popleft()
                prepared = [one for _, future in batch for one in future.result()]
                yield embed_batch(backbone, [sample_id for ids, _ in batch for sample_id in ids], prepared)
        finally:  # the caller may stop early; what is queued would otherwise still be decoded
            pool.shutdown(wait=True, cancel_futures=True)


def _together(samples: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Cut samples into what is decoded at once: a few small ones, or a large one."""
    some: list[tuple[str, bytes]] = []
    for sample in samples:
        some.append(sample)
        if len(some) == BATCH_IMAGES or sum(len(data) for _, data in some) >= BYTES_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _prepared(backbone: Backbone, images: list[bytes]) -> list[_Prepared]:
    if backbone.preparation is not None:
        return prepare_all_guarded(images, backbone.min_side, backbone.preparation)
    decoded = decode_all_guarded(images, backbone.min_side)
    return [one if isinstance(one, str) else backbone.prepare(one) for one in decoded]


def embed_batch(backbone: Backbone, sample_ids: list[str], prepared: list[_Prepared]) -> Embedded:
    """Embed what was prepared of some samples; the reason of one that could not be is its error."""
    errors: list[str | None] = [p if isinstance(p, str) else None for p in prepared]
    embeddings = np.zeros((len(prepared), backbone.dim), dtype=np.float16)
    good = [p for p in prepared if not isinstance(p, str)]
    if good:
        with np.errstate(over="ignore"):  # beyond 65504 is infinite in float16, and reported as such below
            rows = backbone.embed(np.stack(good)).astype(np.float16)
        embeddings[[e is None for e in errors]] = rows
    for row in np.flatnonzero(~np.isfinite(embeddings).all(axis=1)):
        embeddings[row], errors[row] = 0, NON_FINITE
    return Embedded(sample_ids, embeddings, errors)
