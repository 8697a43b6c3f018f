"""Hive partitions: folders named `key=value`, each a column of all that lies below (Spark, Hive, PyArrow)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from windrow.tasks.storage.sources.source_fields import Layer

NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_layers(path: str, label_key: str) -> Sequence[Layer]:
    """Return the values that the folders of a path spell, the lowest folder's first where two have one name."""
    if "=" not in path:
        return ()
    pairs = (folder.partition("=") for folder in reversed(path.split("/")[:-1]))
    values = {unquote(key): unquote(value) for key, equals, value in reversed(list(pairs)) if equals and key}
    return (
        [(f"partition {label_key}", {key: value for key, value in values.items() if value != NULL})] if values else ()
    )
