"""The samples that a store refuses, append-only as the registry is: `forgotten/<first row, 12 digits>.parquet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas import FORGOTTEN
from windrow.schemas.forgotten import FORGOTTEN_BY
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.store.registry import append_rows, numbered_files

OF_A_SAMPLE = (
    "sample_id",
    "found_label",
    "label_from",
    "caption",
    "group",
    "license",
    "spdx",
    "author",
    "source_url",
    "metadata",
    "members",
)


def forgotten_files(store: Path) -> list[Path]:
    """Return the files of the list, in the order in which they were added."""
    return numbered_files(store / "forgotten")


def read_forgotten(store: Path) -> pa.Table:
    """Return FORGOTTEN, in the order in which samples were forgotten."""
    return read_table(FORGOTTEN, forgotten_files(store))


def refused_samples(store: Path) -> dict[str, str]:
    """Return the take-down of each sample that the store refuses."""
    table = read_table(FORGOTTEN, forgotten_files(store), ["sample_id", "takedown"])
    return dict(zip(table["sample_id"].to_pylist(), table["takedown"].to_pylist(), strict=True))


def add_forgotten(store: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows of FORGOTTEN, all or none. Raises RuntimeError when another process added some at the same time."""
    folder = store / "forgotten"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {column.name: [row[column.name] for row in rows] for column in FORGOTTEN.columns}
    if not append_rows(FORGOTTEN, FORGOTTEN.build(columns), folder, read_forgotten(store).num_rows):
        raise RuntimeError(f"{folder}: another process added to the list at the same time")


def without_samples(
    rows: Sequence[Mapping[str, Any]], refused: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """Return the rows of OCCURRENCES of a shard without refused samples, and what to blank of its copy, if it has one.

    A refused row says where the bytes lie and that they are refused, and no more of them. What came with it is refused
    too, unless it is a sample itself (several images with one key come with each other). Ranges: offset and length.
    """
    kept = {row["byte_offset"] for row in rows if row["sample_id"] not in refused}
    ranges = {
        place["byte_offset"]: place["byte_length"]
        for row in rows
        if row["sample_id"] in refused
        for place in (row, *(row["members"] or ()))
        if place["byte_offset"] is not None and place["byte_offset"] not in kept
    }
    left = [
        _emptied(row, refused[row["sample_id"]]) if row["sample_id"] in refused else _without_members(row, ranges)
        for row in rows
    ]
    return left, sorted(ranges.items())


def _emptied(row: Mapping[str, Any], takedown: str) -> dict[str, Any]:
    return {**row, **dict.fromkeys(OF_A_SAMPLE), "unreadable": FORGOTTEN_BY + takedown}


def _without_members(row: Mapping[str, Any], blanked: Mapping[int, int]) -> dict[str, Any]:
    members = [member for member in row["members"] or () if member["byte_offset"] not in blanked]
    return {**row, "members": members or None}
