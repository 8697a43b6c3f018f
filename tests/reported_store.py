"""A small store with everything that a report shows: its tables are built, not computed, so the numbers are known."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from windrow.schemas import (
    ASSIGNMENTS,
    BACKBONES,
    CLASS_BALANCE,
    CLASS_SHARES,
    CLUSTERS,
    EMBEDDINGS,
    LABELS,
    OCCURRENCES,
    OUTCOMES,
    SAMPLES,
    SCORES,
    SELECTION,
    Table,
)
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.outputs import OutputWriter, fingerprint, make_output
from windrow.tasks.storage.store.run_records import Run, StageRecord, start_run

SCRIPT = "<script>document.title='hacked'</script>"
IMAGE = '"><img src=x onerror="document.title=\'hacked\'">'
CLASSES = ("cat", SCRIPT, IMAGE)
LARGE = 90


@dataclass(frozen=True)
class Store:
    """A store of one finished run, and what is known of it: outcomes by kind, and the files of the pool."""

    run: Run
    counts: dict[str, int]
    source: Path


def make_store(folder: Path) -> Store:
    """60 samples, 12 clusters, 3 classes: 20 selected, 6 near-duplicates, 3 filtered; 4 duplicates, 5 unreadable."""
    source = folder / "images & <b>things</b>"
    source.mkdir(parents=True)
    samples = {sample_id_of(data): (name, data) for name, data in _images(source)}
    ids = sorted(samples)
    run = start_run(folder / "store", "demo", {"name": "demo", "note": SCRIPT, "sources": [str(source)]})
    rows = _Rows(ids, {name: samples[name][0] for name in ids}, str(source), {n: len(samples[n][1]) for n in ids})
    stages = {
        "ingest": {OCCURRENCES: rows.occurrences(), SAMPLES: rows.samples()},
        "features": {EMBEDDINGS: rows.embeddings(), BACKBONES: rows.backbones()},
        "cluster": {CLUSTERS: rows.clusters(), ASSIGNMENTS: rows.assignments(), SCORES: rows.scores()},
        "pseudo_label": {LABELS: rows.labels()},
        "rank": {SELECTION: rows.selection(), CLASS_BALANCE: rows.class_balance(), CLASS_SHARES: rows.class_shares()},
        "account": {OUTCOMES: rows.outcomes()},
    }
    for number, (stage, tables) in enumerate(stages.items()):
        _record(run, stage, tables, seconds=1.5 * number)
    outcomes = stages["account"][OUTCOMES]["outcome"].to_pylist()
    counts = {kind: outcomes.count(kind) for kind in set(outcomes)}
    return Store(run.finish("finished"), counts, source)


def _record(run: Run, stage: str, tables: dict[Table, pa.Table], seconds: float) -> None:
    def write(writer: OutputWriter) -> None:
        for declared, table in tables.items():
            writer.write(declared, table)
        writer.counts.update(n_occurrences=69, n_unreadable=5)

    inputs = {"source_uri": "photos", "shard": SCRIPT, "stage": stage}
    done = make_output(run.store, stage, 1, inputs, write)
    run.record(StageRecord(stage, (done.path,), 0, 60, seconds, {}))


def _images(source: Path) -> list[tuple[str, bytes]]:
    random = np.random.default_rng(0)
    found = []
    for number in range(60):
        size = (LARGE * 4, LARGE * 2) if number % 2 else (24, 24)
        image = Image.new("RGB", size, tuple(random.integers(0, 255, 3).tolist()))
        draw = ImageDraw.Draw(image)
        draw.ellipse((2, 2, size[1] - 4, size[1] - 4), fill=tuple(random.integers(0, 255, 3).tolist()))
        file = io.BytesIO()
        image.save(file, "JPEG" if number % 2 else "PNG")
        name = f"{number:02d} <i>&'.png"
        (source / name).write_bytes(file.getvalue())
        found.append((name, file.getvalue()))
    return found


class _Rows:
    """Rows of each table. Sample n is in cluster n % 12, class n % 3, and what becomes of it goes by n."""

    def __init__(self, ids: list[str], names: dict[str, str], source: str, sizes: dict[str, int]) -> None:
        self.ids, self.names, self.source, self.sizes = ids, names, source, sizes
        self.n = len(ids)
        self.vectors = np.random.default_rng(1).normal(size=(self.n, 8)).astype(np.float16)

    def occurrences(self) -> pa.Table:
        # Every sample once, the first four twice, and five that cannot be read.
        ids: list[str | None] = [*self.ids, *self.ids[:4], *[None] * 5]
        keys = [self.names[name] if name else f"broken {IMAGE} {n}" for n, name in enumerate(ids)]
        reasons = [None] * 64 + ["truncated image"] * 3 + [SCRIPT] * 2
        columns = {
            "occurrence_id": [fingerprint(n) for n in range(len(ids))],
            "sample_id": ids,
            "source_uri": [self.source] * len(ids),
            "kind": ["file"] * len(ids),
            "shard": [IMAGE] * len(ids),
            "position": range(len(ids)),
            "key": keys,
            "byte_length": [self.sizes.get(name) if name else 3 for name in ids],
            "unreadable": reasons,
        }
        return OCCURRENCES.build({name: list(values) for name, values in columns.items()})

    def samples(self) -> pa.Table:
        same: dict[str, Any] = {"width": 24, "height": 24, "mode": "RGB", "format": "PNG", "n_frames": 1}
        same |= {"exif_orientation": 1, "n_bytes": 100}
        return SAMPLES.build({"sample_id": self.ids, **{name: [value] * self.n for name, value in same.items()}})

    def embeddings(self) -> pa.Table:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(self.vectors.reshape(-1)), 8)
        columns = {"sample_id": self.ids, "backbone_id": ["b"] * self.n, "embedding": vectors}
        return EMBEDDINGS.build(columns, dim=8)

    def backbones(self) -> pa.Table:
        text = ("backbone_id", "name", "version", "layer", "pooling", "preprocessing")
        return BACKBONES.build({**{name: [SCRIPT] for name in text}, "dim": [8]})

    def clusters(self) -> pa.Table:
        sizes = np.bincount(np.arange(self.n) % 12, minlength=13)
        tops = np.array([sizes[cluster::3].sum() for cluster in range(3)])
        columns = {
            "level": [1] * 13 + [2] * 3,
            "cluster_id": [*range(13), *range(3)],
            "parent_id": [n % 3 for n in range(13)] + [None] * 3,
            "n_samples": [*sizes, *tops],
            "n_members": [*sizes, 5, 4, 4],
            "mean_distance": [0.5] * 12 + [None] + [1.0, 2.0, 3.0],
            "inertia": [2.0] * 12 + [0.0] + [5.0, 16.0, 36.0],
            "centroid": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(16 * 8, np.float32)), 8),
        }
        return CLUSTERS.build(columns, dim=8)

    def assignments(self) -> pa.Table:
        paths = [[n % 12, n % 12 % 3] for n in range(self.n)]
        distance = [n / self.n for n in range(self.n)]
        return ASSIGNMENTS.build({"sample_id": self.ids, "cluster_path": paths, "distance": distance})

    def scores(self) -> pa.Table:
        values = [n / self.n for n in range(self.n)]
        return SCORES.build({"sample_id": self.ids, "nearest_similarity": values, "outlier_score": values})

    def labels(self) -> pa.Table:
        orders = [[CLASSES[(n + k) % 3] for k in range(3)] for n in range(self.n)]
        columns = {
            "sample_id": self.ids,
            "label_set": ["pseudo"] * self.n,
            "label": [None if n % 4 == 0 else order[0] for n, order in enumerate(orders)],
            "classes": orders,
            "probabilities": [[0.6, 0.3, 0.1]] * self.n,
            "confidence": [0.6] * self.n,
            "abstained": [n % 4 == 0 for n in range(self.n)],
            "label_weight": [float(n % 4 != 0) for n in range(self.n)],
            "annotator": ["windrow"] * self.n,
            "method": ["made up"] * self.n,
            "round": [0] * self.n,
        }
        return LABELS.build(columns)

    def selection(self) -> pa.Table:
        rules = ["near_duplicate"] * 6 + [SCRIPT] * 3 + [None] * (self.n - 9)
        selected = [9 <= n < 29 for n in range(self.n)]
        columns = {
            "sample_id": self.ids,
            "occurrence_id": [fingerprint(n) for n in range(self.n)],
            "rank": [n - 8 if n >= 9 else None for n in range(self.n)],
            "selected": selected,
            "sample_weight": [2.0 if chosen else None for chosen in selected],
            "dropped_by": rules,
            "duplicate_of": [self.ids[20]] * 5 + [self.ids[21]] + [None] * (self.n - 6),
            "similarity": [0.955, 0.96, 0.97, 0.98, 1.0, 0.95] + [None] * (self.n - 6),
            "group_id": self.ids,
            "split": ["train" if chosen else None for chosen in selected],
        }
        return SELECTION.build(columns)

    def class_balance(self) -> pa.Table:
        columns = {
            "sample_set": ["pool", "curated"],
            "n_samples": [51, 20],
            "n_no_class": [0, 0],
            "balance": [0.9, 0.8],
            "low": [0.86, 0.7],
            "high": [0.93, 0.85],
        }
        return CLASS_BALANCE.build(columns)

    def class_shares(self) -> pa.Table:
        columns = {
            "sample_set": ["pool"] * 3 + ["curated"] * 3,
            "class": CLASSES * 2,
            "share": [0.5, 0.3, 0.2, 0.6, 0.3, 0.1],
            "low": [0.4, 0.2, 0.1, 0.5, 0.2, 0.0],
            "high": [0.6, 0.4, 0.3, 0.7, 0.4, 0.2],
        }
        return CLASS_SHARES.build(columns)

    def outcomes(self) -> pa.Table:
        ids = [*self.ids, *self.ids[:4], *[None] * 5]
        kinds = ["near_duplicate"] * 6 + ["filtered"] * 3 + ["exported"] * 20 + ["not_selected"] * 31
        kinds += ["duplicate"] * 4 + ["unreadable"] * 5
        reasons = ["cosine similarity 0.96"] * 6 + [SCRIPT] * 3 + [None] * 51
        reasons += ["same bytes"] * 4 + ["truncated image"] * 3 + [SCRIPT] * 2
        columns = {
            "occurrence_id": [fingerprint(n) for n in range(len(ids))],
            "sample_id": ids,
            "outcome": kinds,
            "reason": reasons,
        }
        return OUTCOMES.build(columns)
