"""What came with a sample of a published version that is a source again: given labels stay given, pseudo-labels none.

The `.json` in its tars and the rows of its Parquet have the columns of EXPORTED_SAMPLES; their `label` (and the `.cls`,
an index) is a pseudo-label, which must not come back as one that somebody gave.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from windrow.schemas.exported import EXPORTED, EXPORTED_SAMPLES, LABELLED, SCORED
from windrow.schemas.texts.soft_names import SOFT_COLUMNS

_MARKS = frozenset({"sample_id", "rank", "split", "group_id", "width", "n_bytes"})  # none of them is ever null
_COLUMNS = (*EXPORTED.columns, *EXPORTED_SAMPLES.columns, *SCORED)
_OURS = frozenset({*(column.name for column in _COLUMNS), "provenance"})
_SAID = (*(column.name for column in LABELLED), *SOFT_COLUMNS.values())
_OF_THE_SAMPLE = ("license", "author", "source_url")
PSEUDO = {"label": "pseudo_label", "confidence": "pseudo_confidence"}
"""The fields of the metadata that keep what the version said of a sample, by its columns."""


def is_exported(values: Mapping[str, Any]) -> bool:
    """Say whether named values are those of a sample in a version of ours."""
    return values.keys() >= _MARKS and isinstance(values["sample_id"], str)


def as_it_came(values: Mapping[str, Any], label: str, caption: str, group: str) -> dict[str, Any]:
    """Return what the sample had when it was first read; the given label, caption and group under these names."""
    kept = {name: value for name, value in values.items() if name not in _OURS and not _is_of_a_label_set(name, values)}
    kept |= {name: values[name] for name in _OF_THE_SAMPLE if values.get(name) is not None}
    kept |= _parsed(values.get("metadata"))
    kept |= {name: values[column] for column, name in PSEUDO.items() if values.get(column) is not None}
    in_a_group = values["group_id"] != values["sample_id"]
    named = {label: values.get("given_label"), caption: values.get("caption"), group: values["group_id"] * in_a_group}
    return kept | {name: value for name, value in named.items() if value}


def _is_of_a_label_set(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a field is what a further label set says (`Further`), or its soft labels."""
    sets = (name.removesuffix(f"_{column}") for column in _SAID if name.endswith(f"_{column}"))
    return name in SOFT_COLUMNS.values() or any(f"{each}_abstained" in values for each in sets)


def _parsed(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {"metadata": found}
