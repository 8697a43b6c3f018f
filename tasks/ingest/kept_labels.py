"""Labels that were found with samples, as they are kept: a rule for them is kept here, where they enter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from windrow.schemas.texts.label_text import label_of
from windrow.tasks.storage.sources.source_fields import ERROR
from windrow.tasks.storage.sources.source_shard import Found, SourceShard

SPELT = "windrow_label"
"""The field of the metadata that holds a label as it was spelt, where it is kept otherwise."""


def kept_label(found: Found) -> tuple[str | None, str | None]:
    """Return the label of an occurrence as `label_of` keeps it, and its metadata (JSON).

    Nothing is lost: a label that is kept otherwise than it was spelt, or not at all, stays in the metadata as
    `windrow_label`; why one is too long stands in `windrow_error`.
    """
    if found.label is None:
        return None, found.metadata
    label, why = None, None
    try:
        label = label_of(found.label)
    except ValueError as error:
        why = f"label: {error}"
    if label == found.label:
        return label, found.metadata
    fields: dict[str, Any] = json.loads(found.metadata) if found.metadata else {}
    fields[SPELT] = found.label.encode("utf-8", "replace").decode()
    if why:
        fields[ERROR] = "; ".join(filter(None, [fields.get(ERROR), why]))
    return label, json.dumps(fields, ensure_ascii=False)


def kept_text(text: str) -> str:
    """Return a text that a table can hold: lone surrogates are spelt out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def class_name_rows(shard: SourceShard, named: Mapping[int, str]) -> dict[str, list[Any]]:
    """Return the columns of CLASS_NAMES: names as labels are kept, without those that are none."""
    rows = []
    for number, name in sorted(named.items()):
        try:
            kept = label_of(name)
        except ValueError:
            kept = None
        if kept is not None:
            rows.append((number, kept))
    return {
        "source_uri": [shard.source_uri] * len(rows),
        "shard": [shard.shard] * len(rows),
        "number": [number for number, _ in rows],
        "name": [name for _, name in rows],
    }
