"""What comes with a sample: its label, caption, group and other fields, from sidecars or from columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.texts.uris import shown_text


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGE_EXTENSIONS = _words("""
    jpg jpeg jpe jfif png webp gif bmp dib tif tiff ppm pgm pbm pnm qoi avif jp2 j2k jpx heic heif svg img image
""")
SIDECAR_EXTENSIONS = _words("""
    cls json jsonl txt text caption csv tsv md xml yaml yml html log index id npy npz pt pth pkl pickle safetensors
""")
READ_SIDECARS = ("cls", "txt", "json")
MAX_SIDECAR_BYTES = 2**20
MAX_JSON_DEPTH = 100


@dataclass(frozen=True)
class Fields:
    """What came with a sample, as text; `metadata` is a JSON object of all other fields."""

    label: str | None = None
    caption: str | None = None
    group: str | None = None
    metadata: str | None = None
    license: str | None = None


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


def read_sidecars(sidecars: Mapping[str, bytes | str], config: IngestConfig) -> Fields:
    """Return the fields that sidecars hold: `.cls` the label, `.txt` the caption, `.json` an object with any of them.

    `sidecars` maps an extension to bytes, or to the reason (a str) why they were not read. `.cls` and `.txt` win over
    `.json`, whose own value then stays in the metadata. When a sidecar cannot be read, `metadata` holds the reason as
    "windrow_error", and the other sidecars still count.
    """
    texts, errors = {}, []
    for extension in READ_SIDECARS:
        try:
            texts[extension] = _decoded(sidecars.get(extension))
        except ValueError as error:
            errors.append(f"{extension}: {error}")
    try:
        given = _parsed(texts.get("json"))
    except RecursionError:
        given = {}
        errors.append(f"json: nested deeper than {MAX_JSON_DEPTH}")
    except ValueError:
        given = {}
        errors.append("json: does not parse")
    label, caption = ((texts.get(extension) or "").strip() or None for extension in ("cls", "txt"))
    return make_fields(given, config, label, caption, errors)


def make_fields(
    given: Mapping[str, Any],
    config: IngestConfig,
    label: str | None = None,
    caption: str | None = None,
    errors: list[str] | None = None,
) -> Fields:
    """Take label, group and caption out of named values, where they are plain values; the rest is metadata.

    `label` and `caption` that are known already are kept, and then nothing is taken out for them. The licence stays
    among the rest.
    """
    rest, errors = dict(given), list(errors or [])
    if label is None:
        label = _take(rest, config.label_key)
    if caption is None:
        caption = _take(rest, config.caption_key)
    group = _take(rest, config.group_key)
    licence = _take(dict(given), config.license_key)
    return Fields(*(_written(text) for text in (label, caption, group, _metadata(rest, errors), licence)))


def as_text(value: str | int | float | bool) -> str | None:
    """Return a plain value as the text of a label or group; None when nothing is left: 3, 3.0 and ' 3\\n' give '3'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _metadata(rest: dict[str, Any], errors: list[str]) -> str | None:
    try:
        text = json.dumps(rest, ensure_ascii=False, allow_nan=False)
    except ValueError:
        rest, text = {}, ""
        errors.append("json: a number is out of range")
    if errors:
        text = json.dumps({**rest, "windrow_error": "; ".join(errors)}, ensure_ascii=False)
    return text if rest or errors else None


def _take(fields: dict[str, Any], key: str) -> str | None:
    if not isinstance(fields.get(key), (str, int, float)):
        return None
    return as_text(fields.pop(key))


def _decoded(data: bytes | str | None) -> str | None:
    if isinstance(data, str):
        raise ValueError(data)
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    # Python writes NaN into JSON, though no other parser reads it: it becomes null.
    value = json.loads(text, parse_constant=lambda _: None)
    if _is_deep(value):  # how deep Python itself can go depends on who calls, and other parsers differ
        raise RecursionError
    return value if isinstance(value, dict) else {"json": value}


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
