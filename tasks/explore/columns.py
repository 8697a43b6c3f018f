"""Columns of a pool as a browser draws them: a code for each sample and the names of the codes, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.texts.uris import shown_uri

NOTHING = 0xFFFF
"""The code of a sample for which a column says nothing."""
MOST_NAMES = NOTHING - 1


@dataclass(frozen=True)
class Named:
    """A column of names: `codes` (n,) uint16, NOTHING for none, in the order of how many samples have each name."""

    names: tuple[str, ...]
    codes: npt.NDArray[np.uint16]


CATEGORIES: Mapping[str, tuple[str, str]] = {
    "class": ("Class", "label"),
    "given": ("Given label", "given_label"),
    "cluster": ("Cluster", "cluster::VARCHAR"),
    "source": ("Source", "source_uri"),
    "outcome": (
        "Outcome",
        "CASE WHEN selected THEN 'selected' WHEN dropped_by IS NOT NULL THEN 'dropped: ' || replace(dropped_by, '_',"
        " ' ') WHEN rank IS NOT NULL THEN 'ranked, not selected' END",
    ),
    "doubt": ("Given label is doubtful", "CASE WHEN is_doubtful THEN 'doubtful' WHEN NOT is_doubtful THEN 'not' END"),
    "split": ("Split", "split"),
}
"""By the name in an address: the title, and the SQL over `pool`."""
NUMBERS: Mapping[str, tuple[str, str]] = {
    "confidence": ("Confidence of the class", "confidence"),
    "quality": ("Label quality", "label_quality"),
    "outlier": ("Outlier score", "outlier_score"),
    "nearest": ("Similarity to the nearest", "nearest_similarity"),
    "belonging": ("Belonging to the labels", "belonging"),
    "rank": ("Rank", "rank"),
    "blur": ("Sharpness (blur score)", "blur"),
    "brightness": ("Brightness", "brightness"),
}


def named(values: pa.Array | pa.ChunkedArray) -> Named:
    """Return texts (n,), null for none, as codes; of more names than codes the rarest have none.

    Of names that are equally frequent the first in the alphabet comes first.
    """
    encoded = pc.dictionary_encode(whole(values) if isinstance(values, pa.ChunkedArray) else values)
    there = encoded.indices.drop_null().to_numpy(zero_copy_only=False)
    names = encoded.dictionary.to_pylist()
    counts = np.bincount(there, minlength=len(names))
    order = sorted(range(len(names)), key=lambda code: (-counts[code], names[code]))
    place = np.full(len(names) + 1, NOTHING, np.uint16)  # the last stands for null
    for new, code in enumerate(order[:MOST_NAMES]):
        place[code] = new
    codes = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
    return Named(tuple(names[code] for code in order[:MOST_NAMES]), place[codes])


def read_category(connection: Any, column: str) -> Named:
    """Return a column of CATEGORIES, in the order of the table `places`."""
    found = _in_order(connection, CATEGORIES[column][1])
    if column == "source":
        encoded = pc.dictionary_encode(found)
        shown = pa.array([shown_uri(name) for name in encoded.dictionary.to_pylist()], pa.string())
        found = shown.take(encoded.indices)
    return named(found)


def read_numbers(connection: Any, column: str) -> npt.NDArray[np.float32]:
    """Return a column of NUMBERS, NaN for none, in the order of the table `places`."""
    found = _in_order(connection, f"({NUMBERS[column][1]})::FLOAT")
    return np.asarray(pc.fill_null(found, np.nan).to_numpy(zero_copy_only=False), np.float32)


def columns_there(connection: Any) -> dict[str, str]:
    """Return the titles of the columns that say something of any sample."""
    every = {**CATEGORIES, **NUMBERS}
    counts = ", ".join(f"count({sql})" for _, sql in every.values())
    found = connection.execute(f"SELECT {counts} FROM pool").fetchone()
    return {name: title for (name, (title, _)), n in zip(every.items(), found, strict=True) if n}


def _in_order(connection: Any, sql: str) -> pa.Array:
    rows = connection.sql(f"SELECT {sql} FROM places LEFT JOIN pool USING (sample_id) ORDER BY place")
    return whole(rows.to_arrow_table().column(0))
