"""A small selection of real images, in loose files, a tar and a Parquet file, and what an export makes of it."""

import gc
import io
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset as wds
from PIL import Image

from windrow.schemas.exported import EXPORT_PLAN
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import plan_export
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.shard_writing import write_export_shard
from windrow.tasks.storage.published.card_answers import CardAnswers
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.sources.source_shard import sample_id_of

FORMATS = ("JPEG", "PNG", "WEBP")
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
CLASSES = ["wheat", "barley", "rye"]


def image_bytes(seed: int, image_format: str, side: int = 8) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, image_format)
    return out.getvalue()


def make_selection(
    source: Path, n: int = 12, labels: list[str | None] | None = None, formats: tuple[str, ...] = FORMATS
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Write n images; return their rows of the plan (the last quarter in split 'test') and their bytes by sample_id."""
    source.mkdir(parents=True, exist_ok=True)
    data = [image_bytes(i, formats[i % len(formats)]) for i in range(n)]
    labels = labels or [(*CLASSES, None)[i % 4] for i in range(n)]
    places = _store_files(source, data, formats)
    rows = []
    for i, blob in enumerate(data):
        train = i < n - n // 4
        rows.append(
            {
                "sample_id": sample_id_of(blob),
                "sample_index": 100 + i,
                "rank": i + 1 if train else i + 1 - (n - n // 4),
                "sample_weight": 1.5 + i,
                "split": "train" if train else "test",
                "cluster_path": [i, i // 4],
                "cluster": i // 4,
                "label": labels[i],
                "confidence": None if labels[i] is None else 0.75,
                "classes": None if labels[i] is None else [labels[i]],
                "probabilities": None if labels[i] is None else [0.75],
                "abstained": labels[i] is None,
                "label_weight": 0.0 if labels[i] is None else i / 64,
                "annotator": "windrow",
                "rest_probability": None if labels[i] is None else 0.25,
                "agreement": 0.5,
                "possible": None if labels[i] is None else [labels[i], "oats"],
                "left_out": None,
                "given_label": "wheat" if i == 7 else None,
                "given_annotator": "source" if i == 7 else None,
                "label_quality": 0.25 if i == 7 else None,
                "is_doubtful": True if i == 7 else None,
                "suggested_label": "rye" if i == 7 else None,
                "belonging": i / 64,
                "caption": "ein Feld, naß" if i == 8 else None,
                "metadata": '{"camera": "x"}' if i == 9 else None,
                "license": ("CC-BY-4.0", "ask me", None)[i % 3],
                "author": "A. N. Other" if i == 4 else None,
                "source_url": None,
                "group_id": f"group {i // 2}",
                "width": 8,
                "height": 8,
                "format": formats[i % len(formats)],
                "n_bytes": len(blob),
                "mended": None,
                **places[i],
            }
        )
    rows.sort(key=lambda row: (row["split"], row["rank"]))
    return rows, {row["sample_id"]: blob for row, blob in zip(_by_index(rows), data, strict=True)}


def _by_index(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["sample_index"])


def _store_files(source: Path, data: list[bytes], formats: tuple[str, ...]) -> list[dict[str, Any]]:
    """A third of the images are loose files, a third lie in a tar, a third in a Parquet file."""
    places: list[dict[str, Any]] = [{} for _ in data]
    with tarfile.open(source / "b.tar", "w") as tar:
        for i in range(1, len(data), 3):
            info = tarfile.TarInfo(f"{i:04d}.{EXTENSIONS[formats[i % len(formats)]]}")
            info.size = len(data[i])
            offset = tar.offset + 512
            tar.addfile(info, io.BytesIO(data[i]))
            places[i] = _place(source, "tar", "b.tar", i // 3, f"{i:04d}", offset, len(data[i]))
    in_parquet = list(range(2, len(data), 3))
    pq.write_table(pa.table({"image": [data[i] for i in in_parquet]}), source / "c.parquet")
    for row, i in enumerate(in_parquet):
        places[i] = _place(source, "parquet", "c.parquet", row, str(row), None, len(data[i]))
    for i in range(0, len(data), 3):
        name = f"{i:04d}.{EXTENSIONS[formats[i % len(formats)]]}"
        (source / name).write_bytes(data[i])
        places[i] = _place(source, "file", ".", i // 3, name, None, len(data[i]))
    return places


def _place(
    source: Path, kind: str, shard: str, position: int, key: str, offset: int | None, length: int
) -> dict[str, Any]:
    place = {"source_uri": str(source), "kind": kind, "shard": shard, "position": position, "key": key}
    return {**place, "extension": None, "byte_offset": offset, "byte_length": length, "copy": None, "members": None}


def plan_table(rows: list[dict[str, Any]]) -> pa.Table:
    return EXPORT_PLAN.build({column.name: [row[column.name] for row in rows] for column in EXPORT_PLAN.columns})


def read_with_webdataset(tars: list[str]) -> list[dict[str, Any]]:
    """Read as `webdataset` alone does; it leaves its files open, and says so in a ResourceWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        samples = list(wds.WebDataset(tars, shardshuffle=False))
        gc.collect()
    return samples


def export(
    store: Path,
    rows: list[dict[str, Any]],
    config: ExportConfig | None = None,
    name: str = "fields",
    classes: list[str] | None = None,
    provenance: dict[str, Any] | None = None,
    answers: CardAnswers | None = None,
) -> Version:
    """Plan, write and publish."""
    config = config or ExportConfig(samples_per_shard=5)
    shards = plan_export(store, plan_table(rows), config, classes or CLASSES)
    dones = [write_export_shard(store, shard, config) for shard in shards]
    return publish_version(store, name, shards, dones, config, provenance or {"ingest": "0" * 32}, (), answers)


def export_images(store: Path, source: Path, images: list[bytes], per_shard: int = 1000) -> Path:
    """Publish images as they are, in one split, without labels; return the version."""
    source.mkdir(parents=True)
    template = make_selection(store / "template", 4, labels=[None] * 4)[0][0]
    rows = []
    for i, data in enumerate(images):
        name = f"{i:06d}.jpg"
        (source / name).write_bytes(data)
        place = _place(source, "file", ".", i, name, None, len(data))
        facts = {"sample_id": sample_id_of(data), "sample_index": i, "rank": i + 1, "n_bytes": len(data)}
        rows.append({**template, **facts, "split": "train", "format": "JPEG", **place})
    return export(store, rows, ExportConfig(samples_per_shard=per_shard, formats=("webdataset",)), classes=[]).path
