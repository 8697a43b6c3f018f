"""Model scores: what a scorer of the user's says of every readable sample of ingested shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from windrow.schemas import MODEL_SCORES
from windrow.schemas.stages import Stage
from windrow.tasks.executors.state import worker_state
from windrow.tasks.features.pool_images import first_occurrences
from windrow.tasks.features.remembered import Told, memory_path, recall
from windrow.tasks.pictures.decoding import DECODE_RECIPE
from windrow.tasks.pictures.guarded import decode_guarded
from windrow.tasks.pictures.opening import UnreadableImage
from windrow.tasks.scorers import Scorer, ScorerConfig, load_scorer
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output
from windrow.tasks.tally import count

STAGE = Stage.MODEL_SCORES
VERSION = 1
NON_FINITE = "the model gave a number that is not finite"
DECODE_THREADS = 2

ScoreRow = tuple[str, npt.NDArray[np.float32] | str]
"""A sample_id, and its scores or why it has none."""


def score_shards(store: Path, ingested: Sequence[str], config: ScorerConfig) -> list[Done]:
    """Score the samples of ingested shards: one output of MODEL_SCORES for each, by `sample_id`, then by column.

    An output depends on the shard's samples and on the model's files, not on names or on where the model lies. The
    counts are n_samples and n_errors (samples without scores).
    """
    version = identify_scorer(store, config)
    return [_score_shard(store, open_output(store / path), config, version) for path in ingested]


def loaded_scorer(config: ScorerConfig, version: str) -> Scorer:
    """In a worker: return the scorer, loaded once. Raises RuntimeError where it is not of this version."""
    return worker_state(_load_known, config, version)


def identify_scorer(store: Path, config: ScorerConfig) -> str:
    """Say the version of a scorer; it is loaded, unless the `store` remembers it.

    Raises BackboneUnavailable or ValueError, saying what to do, when it cannot be loaded or does not fit.
    """

    def load() -> Told:
        loaded = load_scorer(config)
        return {"version": loaded.version}, loaded.files

    return str(recall(memory_path(store, config.model, asdict(config)), load)["version"])


def _load_known(config: ScorerConfig, version: str) -> Scorer:
    loaded = load_scorer(config)
    if loaded.version != version:
        raise RuntimeError(f"{config.model} has changed since it was identified: run again")
    return loaded


def _score_shard(store: Path, shard: Output, config: ScorerConfig, version: str) -> Done:
    def scored() -> Iterator[ScoreRow]:
        return count(_scored(store, loaded_scorer(config, version), shard, config.batch_size))

    return write_scores(store, shard, config, version, scored)


def write_scores(
    store: Path, shard: Output, config: ScorerConfig, version: str, scored: Callable[[], Iterable[ScoreRow]]
) -> Done:
    """Write what `scored` gives of the samples of an ingested shard, in whatever order, unless that is done."""

    def write(writer: OutputWriter) -> None:
        rows = sorted(scored(), key=lambda row: row[0])
        writer.write(MODEL_SCORES, _table(rows, [f"{config.name}.{each}" for each in config.classes]))
        writer.counts["n_samples"] = len(rows)
        writer.counts["n_errors"] = sum(isinstance(scores, str) for _, scores in rows)

    inputs = {
        "samples": shard.files["samples.parquet"],
        "version": version,
        "decoding": DECODE_RECIPE,
        "name": config.name,
        "classes": config.classes,
        "batch_size": config.batch_size,
    }
    return make_output(store, STAGE, VERSION, inputs, write)


def _scored(store: Path, scorer: Scorer, shard: Output, batch_size: int) -> Iterator[ScoreRow]:
    samples = read_samples(first_occurrences(shard), store)
    with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="decode") as threads:
        while some := list(islice(samples, batch_size)):
            decoded = list(threads.map(lambda data: _decoded(data, scorer.min_side), [data for _, data in some]))
            yield from score_batch(scorer, [sample_id for sample_id, _ in some], decoded)


def score_batch(scorer: Scorer, sample_ids: Sequence[str], decoded: Sequence[Image.Image | str]) -> Iterator[ScoreRow]:
    """Yield the scores of some samples, in order, of each its picture or why it has none.

    Their last digits may depend on which samples come together: `batch_size` of a shard, as they lie there.
    """
    scores = iter(scorer.score([image for image in decoded if not isinstance(image, str)]))
    for sample_id, image in zip(sample_ids, decoded, strict=True):
        yield sample_id, image if isinstance(image, str) else _finite(next(scores))


def _decoded(data: bytes | SampleGone, min_side: int) -> Image.Image | str:
    if isinstance(data, SampleGone):
        return data.reason
    try:
        return decode_guarded(data, min_side)
    except UnreadableImage as error:
        return error.reason


def _finite(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | str:
    return scores if np.isfinite(scores).all() else NON_FINITE


def _table(rows: Sequence[ScoreRow], names: Sequence[str]) -> pa.Table:
    failed = [isinstance(scores, str) for _, scores in rows]
    columns = {
        "sample_id": [sample_id for sample_id, _ in rows for _ in names],
        "score": [name for _ in rows for name in names],
        "value": [
            None if isinstance(scores, str) else float(scores[at]) for _, scores in rows for at in range(len(names))
        ],
        "error": [scores if lost else None for (_, scores), lost in zip(rows, failed, strict=True) for _ in names],
    }
    return MODEL_SCORES.build(columns)
