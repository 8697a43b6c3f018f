"""The fields of a version as the header of a card declares them, in the YAML of Hugging Face's `datasets`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from windrow.schemas.exported import EXPORTED, EXPORTED_SAMPLES, LABEL_INDEX, Further
from windrow.schemas.texts.soft_names import published_soft
from windrow.tasks.storage.published.class_labels import number_names
from windrow.tasks.storage.published.webdataset_shards import PROVENANCE, image_extension

Feature = dict[str, Any]


def class_names(manifest: Mapping[str, Any]) -> list[str] | None:
    """Return what each number of a version's classes stands for; None where there is no such list."""
    named = {int(number): name for number, name in manifest["config"]["class_names"].items()}
    return number_names(manifest["classes"], named)


def webdataset_features(
    formats: Iterable[str], names: Sequence[str] | None, manifest: Mapping[str, Any]
) -> list[Feature]:
    """Say what each field is: `datasets` would infer it from five samples, and refuse these when they differ."""
    images = [{"name": name, "dtype": "image"} for name in sorted({image_extension(each) for each in formats})]
    further = Further.of(manifest)
    kinds = further.added_to(EXPORTED_SAMPLES).schema()
    description = [_feature(name, kinds.field(name).type) for name in further.described()]
    description += [_feature(each.column, pa.list_(pa.float32())) for each in published_soft(manifest)]
    provenance = {"name": "provenance", "struct": [_feature(name, pa.string()) for name in (*PROVENANCE, "members")]}
    rest = [_class_feature("cls", names), _feature("__key__", pa.string()), _feature("__url__", pa.string())]
    return [*images, {"name": "json", "struct": [*description, provenance]}, *rest]


def parquet_features(names: Sequence[str] | None, manifest: Mapping[str, Any]) -> list[Feature]:
    """Say what each column is; `label` becomes the number of its class when it is read, as `label_index` is."""
    special = {LABEL_INDEX.name: _class_feature(LABEL_INDEX.name, names), "image": {"name": "image", "dtype": "image"}}
    if names is not None:
        special["label"] = _class_feature("label", names)
    soft = [pa.field(each.column, pa.list_(pa.float16())) for each in published_soft(manifest)]
    fields = [*Further.of(manifest).added_to(EXPORTED).schema(), *soft]
    return [special.get(field.name) or _feature(field.name, field.type) for field in fields]


def _class_feature(name: str, names: Sequence[str] | None) -> Feature:
    if names is None:
        return _feature(name, pa.int64())
    return {"name": name, "dtype": {"class_label": {"names": {str(n): each for n, each in enumerate(names)}}}}


def _feature(name: str, kind: pa.DataType) -> Feature:
    if pa.types.is_list(kind):
        return {"name": name, "list": _type_name(kind.value_type)}
    return {"name": name, "dtype": _type_name(kind)}


def _type_name(kind: pa.DataType) -> str:
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(str(kind), str(kind))
