"""The columns of a Parquet file: which hold images, labels and plain values, and how their values are spelt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.storage.sources.columns.parquet_pages import unfolded
from windrow.tasks.storage.sources.columns.spark_images import is_spark_image
from windrow.tasks.storage.sources.source_shard import IngestConfig

IMAGE_NAMES = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "content")


@dataclass(frozen=True)
class Wrong:
    """Stands for a value that cannot be told."""

    reason: str


def image_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that may hold images, likeliest first."""
    fields = list(leaves(named_once(schema)))
    structs = [name for name, kind in fields if is_image_struct(kind)]
    binary = [name for name, kind in fields if is_binary(kind)]
    return sorted(structs, key=_depth) + sorted(binary, key=lambda name: (not is_usual(name), _depth(name)))


def leaves(fields: Iterable[pa.Field], prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Yield every column that is no struct, or is one with an image's bytes, under its path."""
    for field in fields:
        if pa.types.is_struct(field.type) and not is_image_struct(field.type):
            yield from leaves(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type


def _depth(name: str) -> int:
    return name.count(".")


def is_usual(name: str) -> bool:
    """Say whether the last part of a column's path is a usual name of images."""
    return name.rpartition(".")[2].lower() in IMAGE_NAMES


def named_once(schema: pa.Schema) -> list[pa.Field]:
    """Leave out columns of the same name: which of them was meant cannot be told."""
    counts = Counter(schema.names)
    return [field for field in schema if counts[field.name] == 1]


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Return the names of a ClassLabel, or of a list of them, that Hugging Face datasets keeps in the schema."""
    return _names(_features(schema).get(column))


def label_column(columns: Sequence[str], schema: pa.Schema, config: IngestConfig) -> str:
    """Return the column of the labels: `label_key`; where it is not set and there is none, the only ClassLabel."""
    if config.label_key in columns or config.label_key != IngestConfig().label_key:
        return config.label_key
    classes = [name for name, feature in _features(schema).items() if name in columns and _names(feature) is not None]
    return classes[0] if len(classes) == 1 else config.label_key


def with_class_name(values: Mapping[str, Any], column: str, names: Sequence[str] | None) -> dict[str, Any]:
    """Return values with the number of a class, or a list of such, as its name; what has none is Wrong.

    -1, which is how datasets spells 'no label', is an empty text.
    """
    named = dict(values)
    number = named.get(column)
    if names is not None and isinstance(number, list):
        found = [_named(each, names) for each in number]
        named[column] = next((each for each in found if isinstance(each, Wrong)), found)
    elif names is not None:
        named[column] = _named(number, names)
    return {key: value for key, value in named.items() if value is not None}


def _named(number: Any, names: Sequence[str]) -> Any:
    if not isinstance(number, int) or isinstance(number, bool):
        return number
    if 0 <= number < len(names):
        return names[number]
    return "" if number == -1 else Wrong(f"{number} is not one of {len(names)} classes")


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _names(feature: Any) -> list[str] | None:
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def readable_columns(schema: pa.Schema, config: IngestConfig) -> list[str]:
    """Return the columns whose values are read beside the image: plain ones, and lists of such with a role."""
    fields = named_once(schema)
    roles = {config.caption_key, config.group_key, config.license_key, label_column(schema.names, schema, config)}
    return [each.name for each in fields if is_plain(each.type) or (each.name in roles and _is_spelt(each.type))]


def _is_spelt(type_: pa.DataType) -> bool:
    """Whether values are lists of plain ones, or texts that nobody declared as such."""
    if is_binary(type_):
        return True
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
    return any(test(type_) for test in (*lists, pa.types.is_large_list_view)) and is_plain(type_.value_type)


def plain_values(values: pa.Array) -> list[Any]:
    """Return the values of a plain column; for those that have no text or number, why."""
    try:
        found: list[Any] = unfolded(jsonable(values))
        return (
            [each.decode() if isinstance(each, bytes) else each for each in found] if is_binary(values.type) else found
        )
    except (pa.ArrowException, ValueError, OverflowError) as error:
        if len(values) > 1:  # the others are not to suffer
            return [value for n in range(len(values)) for value in plain_values(values.slice(n, 1))]
        return [Wrong("not UTF-8" if isinstance(error, UnicodeDecodeError) else "cannot be spelt out")]


def jsonable(values: pa.Array) -> pa.Array:
    """Return a plain column such that its values fit into JSON: times and decimals become text."""
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = values.cast(pa.timestamp(values.type.unit, "UTC"))  # other zones need a database to be spelt out
    if pa.types.is_temporal(values.type) or pa.types.is_decimal(values.type):
        return pc.cast(values, pa.string())
    return values


def is_plain(type_: pa.DataType) -> bool:
    """Say whether values of a type are numbers, texts or times."""
    if pa.types.is_dictionary(type_):
        return is_plain(type_.value_type)
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, is_text)
    others = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time, pa.types.is_decimal)
    return any(test(type_) for test in (*kinds, *others))


def is_binary(type_: pa.DataType) -> bool:
    """Say whether values of a type are bytes of any length."""
    if pa.types.is_dictionary(type_):
        return is_binary(type_.value_type)
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_))


def is_text(type_: pa.DataType) -> bool:
    """Say whether values of a type are texts."""
    if pa.types.is_dictionary(type_):
        return is_text(type_.value_type)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def is_image_struct(type_: pa.DataType) -> bool:
    """Say whether this is a struct with the bytes of an image, as Hugging Face datasets has it, or Spark's pixels."""
    if is_spark_image(type_):
        return True
    if not pa.types.is_struct(type_):
        return False
    index = type_.get_field_index("bytes")
    return index >= 0 and is_binary(type_.field(index).type)
