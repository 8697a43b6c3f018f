"""A store of one finished run with any number of samples: its tables are drawn, not computed, and nothing is embedded.

Ids are evenly spread, as hashes are; a tenth of the samples is selected, in 100 classes and 10,000 clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas import (
    ASSIGNMENTS,
    BELONGING,
    CLUSTERS,
    HASH_GROUPS,
    LABEL_QUALITY,
    LABELS,
    OCCURRENCES,
    OUTCOMES,
    QUALITY,
    REGISTRY,
    SAMPLES,
    SCORES,
    SELECTION,
    Table,
)
from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.schemas.stages import Stage
from windrow.tasks.export.pool_table import tabulate_pool
from windrow.tasks.storage.files.parquet import writing_table
from windrow.tasks.storage.files.seals import EMPTY_SEAL, seal_file, sealed_json
from windrow.tasks.storage.store.outputs import OutputWriter, fingerprint, make_output
from windrow.tasks.storage.store.run_records import Run, StageRecord, start_run

BLOCK = 2**17
PER_SHARD = 10_000
N_CLUSTERS, N_TOP, N_CLASSES = 10_000, 100, 100
CLASSES = pa.array([f"class {number:03d}" for number in range(N_CLASSES)])
SOURCE = "/data/photos"

Columns = dict[str, Any]
Rows = Callable[[slice], Columns]


def hex_ids(raw: np.ndarray) -> pa.Array:
    """Ids of 16 bytes each (n, 16) as the texts that tables hold."""
    offsets = pa.array(np.arange(len(raw) + 1, dtype=np.int32) * 32).buffers()[1]
    return pa.StringArray.from_buffers(len(raw), offsets, pa.py_buffer(raw.tobytes().hex().encode()))


@dataclass(frozen=True)
class Drawn:
    """n samples, in order of their ids: `raw` (n, 16), and the `order` in which they were ranked."""

    raw: np.ndarray
    order: np.ndarray

    @classmethod
    def roll(cls, n: int, seed: int = 0) -> Drawn:
        """Draw them."""
        random = np.random.default_rng(seed)
        raw = random.integers(0, 256, (n, 16), np.uint8)
        raw = raw[np.argsort(raw.view(">u8")[:, 0], kind="stable")]
        return cls(raw, random.permutation(n))

    def __len__(self) -> int:
        return len(self.raw)

    def blocks(self) -> Iterator[slice]:
        """The rows, a block at a time."""
        return (slice(at, min(at + BLOCK, len(self))) for at in range(0, len(self), BLOCK))

    def ids(self, rows: slice) -> pa.Array:
        """The ids of some."""
        return hex_ids(self.raw[rows])

    def numbers(self, rows: slice) -> np.ndarray:
        """A number of each, from 0 to 2^16, that is always the same."""
        return self.raw[rows, 8:10].copy().view(">u2")[:, 0].astype(np.int64)

    def occurrence_ids(self, rows: slice) -> pa.Array:
        """Sample n is seen once, under another id that is spread as evenly."""
        return hex_ids(self.raw[rows][:, ::-1].copy())


def write_store(folder: Path, n: int) -> Run:
    """Write the store, and leave its pool to be put together: see `finish`."""
    drawn = Drawn.roll(n)
    run = start_run(folder / "store", "photos", {"name": "photos", "sources": [SOURCE]})
    _registry(run.store, drawn)
    shards = [_shard(run.store, drawn, slice(at, min(at + PER_SHARD, n))) for at in range(0, n, PER_SHARD)]
    _record(run, Stage.INGEST, shards, n)
    selected = drawn.order < n // 10
    stages: dict[Stage, dict[Table, Rows]] = {
        Stage.HASH_GROUPS: {HASH_GROUPS: lambda rows: _hash_groups(drawn, rows)},
        Stage.NEIGHBORS: {SCORES: lambda rows: _scores(drawn, rows)},
        Stage.CLUSTER: {ASSIGNMENTS: lambda rows: _assignments(drawn, rows)},
        Stage.PSEUDO_LABEL: {
            LABELS: lambda rows: _labels(drawn, rows),
            BELONGING: lambda rows: {"sample_id": drawn.ids(rows), "belonging": _shares(drawn, rows)},
            LABEL_QUALITY: lambda rows: _quality_of_labels(drawn, rows),
        },
        Stage.RANK: {SELECTION: lambda rows: _selection(drawn, rows, selected)},
        Stage.ACCOUNT: {OUTCOMES: lambda rows: _outcomes(drawn, rows, selected)},
    }
    for stage, tables in stages.items():
        _record(run, stage, [_output(run.store, stage, drawn, tables)], n)
    for number in (1, 2):
        _version(run.store, drawn, number)
    return run


def finish(run: Run) -> Run:
    """Write the pool as a run does at its end."""
    done = tabulate_pool(run)
    run.record(StageRecord(Stage.POOL, (done.path,), 0, done.counts["n_samples"], 1.0, {}))
    return run.finish("finished")


def _record(run: Run, stage: Stage, paths: list[str], n: int) -> None:
    run.record(StageRecord(stage, tuple(paths), 0, n, 1.0, {}))


def _output(store: Path, stage: Stage, drawn: Drawn, tables: dict[Table, Rows]) -> str:
    def write(writer: OutputWriter) -> None:
        for declared, columns in tables.items():
            with writer.writing(declared, declared.schema()) as add:
                for rows in drawn.blocks():
                    add(declared.build(columns(rows)))
        if stage == Stage.CLUSTER:
            writer.write(CLUSTERS, _clusters())
        writer.counts["n_samples"] = len(drawn)

    return make_output(store, stage, 1, {"n": len(drawn)}, write).path


def _registry(store: Path, drawn: Drawn) -> None:
    path = store / "registry" / f"{0:012d}.parquet"
    path.parent.mkdir()
    schema = REGISTRY.schema()
    with writing_table(REGISTRY, path, schema.with_metadata({**schema.metadata, **EMPTY_SEAL})) as add:
        for rows in drawn.blocks():
            table = REGISTRY.build({"sample_id": drawn.ids(rows), "sample_index": np.arange(rows.start, rows.stop)})
            add(table.replace_schema_metadata({**table.schema.metadata, **EMPTY_SEAL}))
    seal_file(path)


def _shard(store: Path, drawn: Drawn, rows: slice) -> str:
    n = rows.stop - rows.start
    ids, numbers, shard = drawn.ids(rows), drawn.numbers(rows), f"{rows.start // PER_SHARD:06d}.tar"
    same = {"width": 512, "height": 384, "mode": "RGB", "format": "JPEG", "n_frames": 1, "exif_orientation": 1}
    samples = {"sample_id": ids, **{name: [value] * n for name, value in same.items()}, "n_bytes": 50_000 + numbers}
    measures = {
        name: (numbers % 997 / 2000).astype(np.float32) for name in ("blur", "brightness", "contrast", "entropy")
    }
    occurrences = {
        "occurrence_id": drawn.occurrence_ids(rows),
        "sample_id": ids,
        **{name: [value] * n for name, value in {"source_uri": SOURCE, "kind": "tar", "shard": shard}.items()},
        "position": np.arange(n),
        "key": [f"photo-{number:09d}" for number in range(rows.start, rows.stop)],
        "extension": ["jpg"] * n,
        "byte_offset": np.arange(n) * 70_000,
        "byte_length": 50_000 + numbers,
    }

    def write(writer: OutputWriter) -> None:
        writer.write(OCCURRENCES, OCCURRENCES.build(occurrences))
        writer.write(SAMPLES, SAMPLES.build(samples))
        writer.write(QUALITY, QUALITY.build({"sample_id": ids, **measures, "phash": numbers * 7919}))
        writer.counts.update(n_occurrences=n, n_unreadable=0, n_samples=n)

    return make_output(store, Stage.INGEST, 1, {"source_uri": SOURCE, "shard": shard, "n": len(drawn)}, write).path


def _shares(drawn: Drawn, rows: slice) -> np.ndarray:
    return (drawn.numbers(rows) / 2**16).astype(np.float32)


def _hash_groups(drawn: Drawn, rows: slice) -> Columns:
    start, stop = rows.start + rows.start % 2, rows.stop - rows.stop % 2
    some = slice(start, max(start, min(stop, start + (stop - start) // 40 * 2)))  # 5 %, in pairs
    ids = drawn.ids(some)
    first = pa.array(np.arange(len(ids)) // 2 * 2)
    return {"sample_id": ids, "group_id": ids.take(first), "n_in_group": np.full(len(ids), 2)}


def _scores(drawn: Drawn, rows: slice) -> Columns:
    shares = _shares(drawn, rows)
    return {
        "sample_id": drawn.ids(rows),
        "nearest_similarity": shares,
        "outlier_score": 1 - shares,
        "off_topic_score": shares,
    }


def _assignments(drawn: Drawn, rows: slice) -> Columns:
    finest = drawn.numbers(rows) % N_CLUSTERS
    path = np.column_stack([finest, finest % N_TOP]).astype(np.int32).reshape(-1)
    lists = pa.ListArray.from_arrays(pa.array(np.arange(len(finest) + 1, dtype=np.int32) * 2), pa.array(path))
    return {"sample_id": drawn.ids(rows), "cluster_path": lists, "distance": _shares(drawn, rows)}


def _clusters() -> pa.Table:
    n, random = N_CLUSTERS + N_TOP, np.random.default_rng(0)
    level, number = np.repeat([1, 2], [N_CLUSTERS, N_TOP]), np.r_[np.arange(N_CLUSTERS), np.arange(N_TOP)]
    columns = {
        "level": level,
        "cluster_id": number,
        "parent_id": [at % N_TOP for at in range(N_CLUSTERS)] + [None] * N_TOP,
        "n_samples": np.where(level == 1, 1000, 100_000),
        "n_members": np.where(level == 1, 1000, 100),
        "mean_distance": random.random(n).astype(np.float32),
        "inertia": random.random(n),
        "centroid": list(random.random((n, 8)).astype(np.float32)),
    }
    return CLUSTERS.build(columns, dim=8)


def _names(numbers: np.ndarray, n_each: int) -> pa.Array:
    """Lists of classes: the sample's, and those after it."""
    every = (numbers[:, None] + np.arange(n_each)) % N_CLASSES
    offsets = pa.array(np.arange(len(numbers) + 1, dtype=np.int32) * n_each)
    return pa.ListArray.from_arrays(offsets, CLASSES.take(pa.array(every.reshape(-1))))


def _label_set(drawn: Drawn, rows: slice, name: str) -> pa.Table:
    numbers = drawn.numbers(rows)
    n, confidence = len(numbers), _shares(drawn, rows)
    probabilities = np.column_stack([confidence, (1 - confidence) / 2, (1 - confidence) / 4]).astype(np.float32)
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * 3)
    label = CLASSES.take(pa.array(numbers % N_CLASSES, mask=confidence < 0.3))
    columns = {
        "sample_id": drawn.ids(rows),
        "label_set": [name] * n,
        "label": label,
        "classes": _names(numbers % N_CLASSES, 3),
        "probabilities": pa.ListArray.from_arrays(offsets, pa.array(probabilities.reshape(-1))),
        "confidence": confidence,
        "abstained": confidence < 0.3,
        _weight(LABELS): confidence,
        "annotator": ["windrow"] * n,
        "method": ["combined of propagation, probe"] * n,
        "round": np.zeros(n, np.int32),
        "agreement": confidence,
    }
    return LABELS.build(columns)


def _weight(declared: Table) -> str:
    return next(column.name for column in declared.columns if column.name.endswith("weight"))


def _labels(drawn: Drawn, rows: slice) -> Columns:
    sets = [_label_set(drawn, rows, name) for name in ("cluster_2", "pseudo")]
    few = slice(rows.start, rows.start + (rows.stop - rows.start) // 100)
    table = pa.concat_tables([*sets, _label_set(drawn, few, "given")]).sort_by("sample_id")
    return {name: table[name].combine_chunks() for name in table.column_names}


def _quality_of_labels(drawn: Drawn, rows: slice) -> Columns:
    few = slice(rows.start, rows.start + (rows.stop - rows.start) // 100)
    shares = _shares(drawn, few)
    return {
        "sample_id": drawn.ids(few),
        "label_quality": shares,
        "is_doubtful": shares < 0.02,
        "suggested_label": CLASSES.take(pa.array(drawn.numbers(few) % N_CLASSES)),
        "suggested_probability": shares,
    }


def _selection(drawn: Drawn, rows: slice, selected: np.ndarray) -> Columns:
    ids, dropped = drawn.ids(rows), drawn.numbers(rows) % 20 == 0
    there = selected[rows] & ~dropped
    return {
        "sample_id": ids,
        "occurrence_id": drawn.occurrence_ids(rows),
        "rank": pa.array(drawn.order[rows] + 1, mask=dropped),
        "selected": there,
        _weight(SELECTION): pa.array(np.full(len(ids), 10.0), mask=~there),
        "dropped_by": pa.array(["near_duplicate"] * len(ids), mask=~dropped),
        "duplicate_of": ids.take(pa.array(np.zeros(len(ids), np.int64), mask=~dropped)),
        "similarity": pa.array(np.full(len(ids), 0.97, np.float32), mask=~dropped),
        "group_id": ids,
        "split": pa.array(["train"] * len(ids), mask=~there),
    }


def _outcomes(drawn: Drawn, rows: slice, selected: np.ndarray) -> Columns:
    dropped = drawn.numbers(rows) % 20 == 0
    kinds = np.where(dropped, 1, np.where(selected[rows], 2, 0))
    names = pa.array(["not_selected", "near_duplicate", "exported"])
    return {
        "occurrence_id": drawn.occurrence_ids(rows),
        "sample_id": drawn.ids(rows),
        "outcome": names.take(pa.array(kinds)),
        "reason": pa.array(["cosine similarity 0.97"] * len(kinds), mask=~dropped),
    }


def _version(store: Path, drawn: Drawn, number: int) -> None:
    """A version of a tenth of the samples, of which the second has another thousandth."""
    some = slice(number * len(drawn) // 10_000, number * len(drawn) // 10_000 + len(drawn) // 10)
    path = store / "curated" / "photos" / f"v{number:04d}"
    path.mkdir(parents=True)
    labels = CLASSES.take(pa.array((drawn.numbers(some) + (drawn.numbers(some) % 1000 < number)) % N_CLASSES))
    n = len(labels)
    given = {"sample_id": drawn.ids(some), "label": labels, "split": pa.array(["train"] * n)}
    arrays = [given.get(field.name, pa.nulls(n, field.type)) for field in EXPORTED_SAMPLES.schema()]
    pq.write_table(
        pa.table(arrays, names=EXPORTED_SAMPLES.schema().names), path / "samples.parquet", compression="zstd"
    )
    manifest = {"name": "photos", "version": path.name, "fingerprint": fingerprint(number), "n_samples": n}
    (path / "manifest.json").write_text(sealed_json({**manifest, "n_shards": 0, "files": []}))
