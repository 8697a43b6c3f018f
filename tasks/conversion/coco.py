"""COCO's lists: for each split the images, the classes as categories, and each label as an annotation of its image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, ClassVar, TextIO

import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.conversion.converted_version import Format, SourceVersion, link_file
from windrow.tasks.storage.published.attribution_file import ATTRIBUTION
from windrow.tasks.storage.published.hub_features import class_names
from windrow.tasks.storage.published.licence_terms import licence_url
from windrow.tasks.storage.published.versions import SAMPLES
from windrow.tasks.storage.published.webdataset_shards import class_indices, image_extension

Row = dict[str, Any]


@dataclass(frozen=True)
class Coco(Format):
    """`annotations/SPLIT.json` beside links to the tars.

    An image's `id` is its `sample_index`, its `file_name` that of its member in the tar `tar`, at `byte_offset`: unpack
    the tars and the names are those of files. A category's `id` is the number of its class. An annotation is of a whole
    image, so its box is that, and `score` is the label's confidence. A sample that may be of several classes has an
    annotation for each that is present, with its probability, and the absent ones in `neg_category_ids`, as LVIS has.
    """

    name: ClassVar[str] = "coco"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        for split in version.splits:
            for path in version.shards(split):
                link_file(version.path / path, folder / path)
        link_file(version.path / ATTRIBUTION, folder / ATTRIBUTION)
        (folder / "annotations").mkdir()
        for split in version.splits:
            with (folder / "annotations" / f"{split}.json").open("w", encoding="utf-8") as file:
                _write_lists(file, version, split)


def _write_lists(file: TextIO, version: SourceVersion, split: str) -> None:
    """Write one split's lists, image by image: they are never all in memory."""
    manifest = version.manifest
    indices = class_indices(manifest["classes"])
    licences = {name: number for number, name in enumerate(["not known", *manifest["counts"]["license"]])}
    info = {"description": f"{manifest['name']} {split}", "version": manifest["version"], "url": "", "contributor": ""}
    lists: dict[str, Iterable[Row]] = {
        "licenses": ({"id": n, "name": name, "url": licence_url(name) or ""} for name, n in licences.items()),
        "categories": _categories(indices, class_names(manifest)),
        "images": _images(version, split, licences, indices),
        "annotations": _annotations(version, split, indices),
    }
    file.write(f'{{"info": {_json(info)}')
    for name, rows in lists.items():
        file.write(f',\n"{name}": [')
        file.writelines(f"{',' if number else ''}\n{_json(row)}" for number, row in enumerate(rows))
        file.write("]")
    file.write("}\n")


def _categories(indices: Mapping[str, int], names: list[str] | None) -> Iterator[Row]:
    for name, number in indices.items():
        yield {"id": number, "name": names[number] if names else name, "supercategory": ""}


def _images(
    version: SourceVersion, split: str, licences: Mapping[str, int], indices: Mapping[str, int]
) -> Iterator[Row]:
    tars = chain.from_iterable(repeat(file["path"], file["n_samples"]) for file in version.shard_files(split))
    for row, tar in zip(_rows(version, split), tars, strict=True):
        name = f"{row['sample_id']}.{image_extension(row['format'])}"
        size = {"width": row["width"], "height": row["height"]}
        place = {"tar": tar, "byte_offset": row["tar_offset"], "byte_length": row["n_bytes"]}
        terms = {"license": licences.get(row["license"], 0), "coco_url": row["source_url"] or ""}
        known = {"neg_category_ids": [indices[each] for each in row["absent"] or ()]} if "absent" in row else {}
        names = {"sample_id": row["sample_id"], **known}
        yield {"id": row["sample_index"], "file_name": name, **size, **terms, **place, **names}


def _annotations(version: SourceVersion, split: str, indices: Mapping[str, int]) -> Iterator[Row]:
    labelled = ((row, *each) for row in _rows(version, split) for each in _labels(row))
    for number, (row, label, score) in enumerate(labelled, start=1):
        box = {
            "bbox": [0, 0, row["width"], row["height"]],
            "area": row["width"] * row["height"],
            "iscrowd": 0,
            "segmentation": [],
        }
        kind = {"category_id": indices[label], "score": score}
        yield {"id": number, "image_id": row["sample_index"], **kind, **box}


def _labels(row: Row) -> list[tuple[str, float]]:
    """The classes of a sample, each with how probable it is."""
    if "present" in row:
        return list(zip(row["present"] or (), row["present_probabilities"] or (), strict=True))
    return [] if row["label"] is None else [(row["label"], row["confidence"])]


def _rows(version: SourceVersion, split: str) -> Iterator[Row]:
    """The rows of a split, in the order of its shards."""
    with pq.ParquetFile(version.path / SAMPLES) as samples:
        columns = [*_COLUMNS, *(name for name in _STATES if name in samples.schema_arrow.names)]
        for batch in samples.iter_batches(columns=columns):
            yield from (row for row in batch.to_pylist() if row["split"] == split)


_COLUMNS = [
    column.name
    for column in EXPORTED_SAMPLES.columns
    if column.name not in ("classes", "probabilities", "cluster_path", "metadata", "caption")
]


_STATES = ("present", "present_probabilities", "absent")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
