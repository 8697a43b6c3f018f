"""What comes with a sample: its label, caption, group and other fields, from sidecars or from columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from windrow.tasks.storage.published.version_fields import as_it_came, is_exported
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.texts.uris import shown_text


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


IMAGE_EXTENSIONS = words("""
    jpg jpeg jpe jfif png webp gif bmp dib tif tiff ppm pgm pbm pnm qoi avif jp2 j2k jpx heic heif svg img image
""")
SIDECAR_EXTENSIONS = words("""
    cls class label json jsn jsonl txt text caption csv tsv md xml yaml yml html log index id npy npz pt pth pkl pickle
    safetensors
""")
MAX_SIDECAR_BYTES = 2**20
MAX_JSON_DEPTH = 100

ERROR = "windrow_error"
"""The field of the metadata that says what could not be used of what came with a sample."""
SEVERAL_CLASSES = "label: several classes, and a sample has one"
"""Stands in the metadata of a sample whose label is a list; the list stays there too."""

Layer = tuple[str, Mapping[str, Any]]
"""Where values of a sample come from, as the summary names it, and the values by name."""


@dataclass(frozen=True)
class Fields:
    """What came with a sample, as text; `metadata` is a JSON object of all other fields.

    `label_from`: where the label stood, or where there was place for one that was left empty.
    """

    label: str | None = None
    caption: str | None = None
    group: str | None = None
    metadata: str | None = None
    license: str | None = None
    label_from: str | None = None


NOTHING = Fields()


@dataclass(frozen=True)
class Sidecar:
    """A sidecar of a sample: its extension, what it holds (see `key_members`), its bytes or why they were not read."""

    extension: str
    kind: str
    data: bytes | str


def split_name(path: str) -> tuple[str, str | None]:
    """Split a file's path into stem and extension (lower case, without the dot; None when there is none)."""
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return path, None
    return folder + slash + stem, extension.lower() or None


def is_sidecar(extension: str | None) -> bool:
    """Say whether a file with this extension accompanies samples and is none; of 'seg.json' the last part counts."""
    return extension is not None and extension.rpartition(".")[2] in SIDECAR_EXTENSIONS


def is_image(extension: str | None) -> bool:
    """Say whether this is an extension of images; of 'seg.png' the last part counts."""
    return extension is not None and extension.rpartition(".")[2] in IMAGE_EXTENSIONS


def read_sidecars(sidecars: Iterable[Sidecar], config: IngestConfig, beneath: Sequence[Layer] = ()) -> Fields:
    """Return the fields that sidecars hold: a label, a caption, or a JSON object with any of them.

    The first that has a value wins; another's then stays in the metadata. `beneath`: what is known otherwise, and
    counts where sidecars say nothing. When a sidecar cannot be read, `metadata` holds the reason as "windrow_error",
    and the others still count.
    """
    layers: list[Layer] = []
    errors: list[str] = []
    for sidecar in sidecars:
        try:
            layers.append((f".{sidecar.extension}", _values(sidecar, config)))
        except RecursionError:
            errors.append(f"{sidecar.extension}: nested deeper than {MAX_JSON_DEPTH}")
        except ValueError as error:
            errors.append(f"{sidecar.extension}: {error}")
    return make_fields([*layers, *beneath], config, errors)


def make_fields(layers: Sequence[Layer], config: IngestConfig, errors: Sequence[str] = ()) -> Fields:
    """Take label, caption and group out of the first values that have them; the rest is metadata.

    Where two have a value of one name, the metadata has the first's. A list of one is that one; a label that is a list
    of several stays in the metadata, which says so (SEVERAL_CLASSES), and so does an empty one where the source has a
    vocabulary: it says that nothing of that is there. The licence stays among the rest.
    What a version of ours says of a sample is as it was when that was first read.
    """
    layers = _as_first_read(layers, config)
    if not layers and not errors:
        return NOTHING
    taken: dict[str, str] = {}
    rest: dict[str, Any] = {}
    label_from, several = None, False
    for place, values in layers:
        left = dict(values)
        several = several or _has_several(left.get(config.label_key))
        if "label" not in taken and config.label_key in left:
            found, label = _taken_label(left, config.label_key, bool(config.vocabulary))
            label_from = place if label is not None else label_from or (place if found else None)
            taken.update({"label": label} if label is not None else {})
        for role, key in (
            ("caption", config.caption_key),
            ("group", config.group_key),
            ("license", config.license_key),
        ):
            text = None if role in taken else _taken(left, key, keep=role == "license", several=role == "caption")
            taken.update({role: text} if text is not None else {})
        rest.update({name: value for name, value in left.items() if name not in rest})
    errors = [*_errors_of(rest), *errors]
    if several and "label" not in taken and SEVERAL_CLASSES not in "; ".join(errors):
        errors.append(SEVERAL_CLASSES)
    metadata = _written(_metadata(rest, errors))
    label, caption, group, licence = (_written(taken.get(name)) for name in ("label", "caption", "group", "license"))
    return Fields(label, caption, group, metadata, licence, label_from)


def _as_first_read(layers: Sequence[Layer], config: IngestConfig) -> Sequence[Layer]:
    for place, values in layers:
        if is_exported(values):
            return [(place, as_it_came(values, config.label_key, config.caption_key, config.group_key))]
    return layers


def as_text(value: str | int | float | bool) -> str | None:
    """Return a plain value as the text of a label or group; None when nothing is left: 3, 3.0 and ' 3\\n' give '3'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _taken_label(fields: dict[str, Any], key: str, keep_empty: bool) -> tuple[bool, str | None]:
    """Take a label out; whether there was place for one, and the label. An empty list may have a meaning to keep."""
    value = fields[key]
    if value == [] and keep_empty:
        return True, None
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else ""
    if not isinstance(value, str | int | float):
        return False, None
    del fields[key]
    return True, as_text(value)


def _errors_of(rest: Mapping[str, Any]) -> list[str]:
    """What an earlier reading said of these values."""
    said = rest.get(ERROR)
    return [said] if isinstance(said, str) and said else []


def _has_several(label: Any) -> bool:
    return isinstance(label, list) and len(label) > 1 and all(isinstance(each, str | int | float) for each in label)


def _taken(fields: dict[str, Any], key: str, keep: bool, several: bool) -> str | None:
    value = fields.get(key)
    if isinstance(value, list) and value and (len(value) == 1 or several):
        keep, value = keep or len(value) > 1, value[0]
    if not isinstance(value, str | int | float):
        return None
    if not keep:
        del fields[key]
    return as_text(value)


def _metadata(rest: dict[str, Any], errors: list[str]) -> str | None:
    try:
        text = json.dumps(rest, ensure_ascii=False, allow_nan=False)
    except ValueError:
        rest, text = {}, ""
        errors.append("json: a number is out of range")
    if errors:
        text = json.dumps({**rest, ERROR: "; ".join(errors)}, ensure_ascii=False)
    return text if rest or errors else None


def _values(sidecar: Sidecar, config: IngestConfig) -> Mapping[str, Any]:
    """What a sidecar holds, by name. Raises ValueError with the reason when it cannot be read."""
    text = _decoded(sidecar.data)
    if sidecar.kind in ("label", "caption"):
        return {_key(sidecar.kind, config): text.strip()} if text.strip() or sidecar.kind == "label" else {}
    role, _, is_json = sidecar.kind.partition(" ")
    value = _parsed(text)
    if isinstance(value, dict):
        return value
    return {_key(role, config) if is_json else "json": value}


def _key(role: str, config: IngestConfig) -> str:
    return config.label_key if role == "label" else config.caption_key


def _decoded(data: bytes | str) -> str:
    if isinstance(data, str):
        raise ValueError(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _parsed(text: str) -> Any:
    # Python writes NaN into JSON, though no other parser reads it: it becomes null.
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        raise ValueError("does not parse") from None
    if _is_deep(value):  # how deep Python itself can go depends on who calls, and other parsers differ
        raise RecursionError
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        containers = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [inner for container in containers for inner in container]
    return any(isinstance(one, (dict, list)) for one in level)


def _written(text: str | None) -> str | None:
    """What came with a sample as the tables have it: without the secrets of the URIs in it."""
    return _valid(text and shown_text(text))


def _valid(text: str | None) -> str | None:
    """Replace lone surrogates, which JSON can spell and no table can hold."""
    return None if text is None else text.encode("utf-8", "replace").decode()
