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
    DRIFT,
    EMBEDDINGS,
    LABEL_QUALITY,
    LABELS,
    NEIGHBORS,
    OCCURRENCES,
    OUTCOMES,
    SAMPLES,
    SCORES,
    SELECTION,
    TAKEN_CORRECTIONS,
    WORTH,
    WORTH_CURVE,
    WORTH_KEPT,
    WORTH_SETS,
    Table,
)
from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.corrections.correction_list import Correction, append_corrections, read_corrections
from windrow.tasks.storage.files.parquet import write_table
from windrow.tasks.storage.files.seals import sealed_json
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


def make_store(folder: Path, full: bool = False) -> Store:
    """60 samples, 12 clusters, 3 classes: 20 selected, 6 near-duplicates, 3 filtered; 4 duplicates, 5 unreadable.

    With `full`, also what few runs have all of: given labels that are doubted, a worth, neighbours, corrections, drift,
    and two versions, of which an earlier run published the first.
    """
    source = folder / "images & <b>things</b>"
    source.mkdir(parents=True)
    samples = {sample_id_of(data): (name, data) for name, data in _images(source)}
    ids = sorted(samples)
    config = {"name": "demo", "note": SCRIPT, "sources": [str(source)]}
    before = start_run(folder / "store", "demo", config) if full else None
    run = start_run(folder / "store", "demo", config)
    rows = _Rows(ids, {name: samples[name][0] for name in ids}, str(source), {n: len(samples[n][1]) for n in ids})
    stages = {
        "ingest": {OCCURRENCES: rows.occurrences(), SAMPLES: rows.samples()},
        "features": {EMBEDDINGS: rows.embeddings(), BACKBONES: rows.backbones()},
        "cluster": {CLUSTERS: rows.clusters(), ASSIGNMENTS: rows.assignments(), SCORES: rows.scores()},
        "pseudo_label": {LABELS: rows.labels()},
        "rank": {SELECTION: rows.selection(), CLASS_BALANCE: rows.class_balance(), CLASS_SHARES: rows.class_shares()},
        "account": {OUTCOMES: rows.outcomes()},
    }
    if before is not None:
        stages["neighbors"] = {NEIGHBORS: rows.neighbors()}
        stages["cluster"][DRIFT] = rows.drift()
        stages["pseudo_label"] |= {LABELS: rows.labels(given=True), LABEL_QUALITY: rows.label_quality()}
        stages["worth"] = rows.worth()
        corrections = rows.corrections(folder / "store")
        stages["rank"][TAKEN_CORRECTIONS] = TAKEN_CORRECTIONS.build(
            {name: corrections[name].slice(0, 2) for name in TAKEN_CORRECTIONS.schema().names}
        )
        _record(before, "rank", {CLASS_BALANCE: rows.class_balance(), CLASS_SHARES: rows.class_shares()}, seconds=1)
        _publish(before, rows.ids[8:26], {rows.ids[10]: CLASSES[0]})
        before.finish("finished")
        _publish(run, rows.ids[9:29], {})
    for number, (stage, tables) in enumerate(stages.items()):
        _record(run, stage, tables, seconds=1.5 * number)
    outcomes = stages["account"][OUTCOMES]["outcome"].to_pylist()
    counts = {kind: outcomes.count(kind) for kind in set(outcomes)}
    return Store(run.finish("finished"), counts, source)


def _record(run: Run, stage: str, tables: dict[Table, pa.Table], seconds: float) -> None:
    def write(writer: OutputWriter) -> None:
        for declared, table in tables.items():
            writer.write(declared, table)
        writer.counts.update(n_samples=60, n_occurrences=69, n_unreadable=5)

    inputs = {"source_uri": "photos", "shard": SCRIPT, "stage": stage, "tables": sorted(each.name for each in tables)}
    done = make_output(run.store, stage, 1, inputs, write)
    run.record(StageRecord(stage, (done.path,), 0, 60, seconds, {}))


def _publish(run: Run, ids: list[str], other: dict[str, str]) -> None:
    """A version of these samples, of classes in turn but for some; its bytes are left out."""
    path = run.store / "curated" / "demo" / f"v{run.number:04d}"
    path.mkdir(parents=True)
    fixed: dict[str, Any] = {"sample_index": 0, "rank": 1, "sample_weight": 1.0, "cluster_path": [0], "group_id": "g"}
    fixed |= {"width": 1, "height": 1, "format": "PNG", "n_bytes": 1, "split": "train", "source_uri": "pool"}
    columns = {name: [value] * len(ids) for name, value in fixed.items()}
    labels = [other.get(name, CLASSES[int(name, 16) % 3]) for name in ids]
    columns |= {"sample_id": ids, "label": [None, *labels[1:]]}
    write_table(EXPORTED_SAMPLES, EXPORTED_SAMPLES.build(columns), path / "samples.parquet")
    manifest = {"name": "demo", "version": path.name, "fingerprint": fingerprint(path.name), "n_samples": len(ids)}
    (path / "manifest.json").write_text(sealed_json({**manifest, "n_shards": 0, "files": []}))
    run.record(StageRecord("export", (), 0, len(ids), 1.0, {}, version=str(path.relative_to(run.store))))


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

    def labels(self, given: bool = False) -> pa.Table:
        """Pseudo-labels of all; with `given`, every third sample is given its class, and sample 0 another."""
        orders = [[CLASSES[(n + k) % 3] for k in range(3)] for n in range(self.n)]
        columns: dict[str, list[Any]] = {
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
        told = self.given() if given else []
        labels = [CLASSES[1] if n == 0 else CLASSES[n % 3] for n in told]
        added = {
            "sample_id": [self.ids[n] for n in told],
            "label_set": ["given"] * len(told),
            "label": labels,
            "classes": [[label] for label in labels],
            "probabilities": [[1.0]] * len(told),
            "annotator": ["source"] * len(told),
            "method": ["given"] * len(told),
        }
        fixed = {"confidence": 1.0, "abstained": False, "label_weight": 1.0, "round": 0}
        added |= {name: [value] * len(told) for name, value in fixed.items()}
        return LABELS.build({name: [*values, *added[name]] for name, values in columns.items()})

    def given(self) -> list[int]:
        """Which samples are given a label: of two classes, as no two of three steps of 4 come to the third."""
        return [n for n in range(self.n) if n % 3 != 2 and n % 4 == 0]

    def label_quality(self) -> pa.Table:
        told = self.given()
        columns = {
            "sample_id": [self.ids[n] for n in told],
            "label_quality": [n / self.n for n in told],
            "is_doubtful": [n == 0 for n in told],
            "suggested_label": [CLASSES[n % 3] if n != 12 else CLASSES[2] for n in told],
            "suggested_probability": [0.9] * len(told),
        }
        return LABEL_QUALITY.build(columns)

    def neighbors(self) -> pa.Table:
        """Of each sample the next two, but of the last sample one that is not selected alone."""
        near = [[(n + 1) % self.n, (n + 2) % self.n] for n in range(self.n)]
        columns = {
            "sample_id": self.ids,
            "position": list(range(self.n)),
            "neighbors": pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(near), pa.int64()), 2),
            "similarity": pa.FixedSizeListArray.from_arrays(pa.array([0.9, 0.7] * self.n, pa.float32()), 2),
        }
        return NEIGHBORS.build(columns, dim=2)

    def drift(self) -> pa.Table:
        columns: dict[str, Any] = {"refitted": False, "reasons": "", "n_new": 5, "mean_distance": 1.5}
        columns |= {"expected_distance": 1.0, "share_far": 0.125, "n_new_regions": 0, "share_unchanged": None}
        return DRIFT.build({name: [value] for name, value in columns.items()})

    def worth(self) -> dict[Table, pa.Table]:
        row: dict[str, Any] = {"verdict": "better", "why": None, "probe": "logistic", "n_evaluated": 40, "n_groups": 38}
        row |= {"n_samples": 20, "n_seeds": 5, "quality": 0.8125, "baseline_quality": 0.6875}
        row |= {"difference_low": 0.0625, "difference_high": 0.1875}
        told = {"multiplier": 2.5, "multiplier_low": 1.5, "multiplier_high": 3.5, "told": "interpolated"}
        none = dict.fromkeys(told)
        rows = [
            {**row, "baseline": baseline, "weighting": "plain", "decides": True, **(told if first else none)}
            for first, baseline in ((True, "random"), (False, "deduplicated"))
        ]
        sets: dict[str, Any] = {"n_samples": 20, "n_labelled": 15.0, "n_given": 2.0, "balance": None}
        sets |= {"radius_95": 1.25, "radius": 1.5, "effective_clusters": 11.5}
        curve: dict[str, Any] = {"weighting": "plain", "n_seeds": 5, "deviation": 0.02}
        kept = {"changed": 0.03, "pool_changed": 0.02, "set_changed": 0.03, "held_out_changed": 0.0}
        return {
            declared: declared.build({name: [row[name] for row in rows] for name in declared.schema().names})
            for declared, rows in (
                (WORTH, rows),
                (WORTH_SETS, [{**sets, "set": name} for name in ("curated", "random")]),
                (WORTH_KEPT, [{**kept, "judged_on": "v0001"}]),
                (WORTH_CURVE, [{**curve, "n_samples": n, "quality": 0.5 + n / 200} for n in (5, 10, 20, 40)]),
            )
        }

    def corrections(self, store: Path) -> pa.Table:
        said = [("label", "ada", CLASSES[1]), ("drop", "bob", None), ("label", "ada", IMAGE)]
        append_corrections(store, [Correction(self.ids[30 + n], *each) for n, each in enumerate(said)])
        return read_corrections(store)

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
