"""What lies in a folder that a config could name: images, tars, Parquet files, lists, folders of classes, labels."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from windrow.tasks.storage.sources.source_fields import is_image, split_name
from windrow.tasks.storage.store.store_folders import is_store

MOST_FILES = 200_000
MOST_LINE = 2**16
TAR = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2|txz|tzst)$", re.IGNORECASE)
TABLES = ("csv", "jsonl", "ndjson")
URLS = {"url", "image_url", "uri"}


@dataclass
class Contents:
    """Sources as a config names them, how many files of each kind they hold, classes and the file of labels."""

    sources: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    classes: list[str] = field(default_factory=list)
    labels: str | None = None

    def told(self) -> list[str]:
        """Say what was found, a line for each kind."""
        lines = [f"{n:,} {kind}{'s' if n > 1 else ''}" for kind, n in self.counts.items()]
        if self.classes:
            lines.append(f"{len(self.classes)} folders that look like classes: {', '.join(self.classes[:5])}")
        return [*lines, f"labels in {self.labels}"] if self.labels else lines


def look_into(folder: Path) -> Contents:
    """Look at the names of up to 200,000 files, and at the columns of tables that lie in the folder itself.

    Hidden files, links to folders and stores are left out. Raises ValueError when there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    found, images = Contents(), set[Path]()
    for path in islice(_files(folder), MOST_FILES):
        place = path.relative_to(folder)
        kind = _count(path, place, found)
        if kind is not None:
            _add(found, kind, place)
        if is_image(split_name(path.name)[1]):
            images.add(place.parent / f"*.{path.name.rpartition('.')[2]}")
    _find_classes(found, images)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_store(Path(place, name)))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _count(path: Path, place: Path, found: Contents) -> str | None:
    """Count a file; returns the source that it is where it lies in the folder itself, None where it is none."""
    extension = split_name(path.name)[1] or ""
    tar = TAR.search(path.name)
    if tar or is_image(extension):
        found.counts["tar" if tar else "image"] += 1
        return f"*{tar[0]}" if tar else f"*.{path.name.rpartition('.')[2]}"
    if extension == "parquet" or (extension in TABLES and len(place.parts) == 1):
        return _count_table(path, place, found)
    return None


def _count_table(path: Path, place: Path, found: Contents) -> str | None:
    columns, has_images = _columns(path)
    if has_images:
        found.counts["Parquet file with images"] += 1
        return path.name
    if "label" in columns and columns & {"sample_id", "key"}:
        found.labels = found.labels or place.as_posix()
    elif columns & URLS and len(place.parts) == 1:
        found.counts["list of URLs"] += 1
        return f"list:{path.name}"
    return None


def _add(found: Contents, pattern: str, place: Path) -> None:
    source = place.parts[0] if len(place.parts) > 1 else pattern
    if source not in found.sources:
        found.sources.append(source)


def _columns(path: Path) -> tuple[set[str], bool]:
    """The columns of a table, and whether one of them may hold images; none of what cannot be read."""
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            from windrow.tasks.storage.sources.columns.parquet_columns import image_columns

            schema = pq.read_schema(path)
            return set(schema.names), bool(image_columns(schema))
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline(MOST_LINE)
        row = next(csv.reader([line])) if path.suffix.lower() == ".csv" else json.loads(line)
        return set(row) if isinstance(row, list | dict) else set(), False
    except (OSError, ValueError, StopIteration, csv.Error):
        return set(), False


def _find_classes(found: Contents, images: Set[Path]) -> None:
    """Folders that hold images and no folders, side by side, may be classes; not those that are named by a date."""
    leaves = {pattern.parent for pattern in images if pattern.parent != Path()}
    above = {leaf.parent for leaf in leaves}
    names = sorted({leaf.name for leaf in leaves})
    if len(names) < 2 or above & leaves or all(re.fullmatch(r"[\d_.-]+", name) for name in names):
        return
    found.classes = names
    if Path() in above:  # a folder that is a source itself names no class
        globs = sorted({f"*/{pattern.name}" for pattern in images if pattern.parent.parent == Path() != pattern.parent})
        found.sources = [source for source in found.sources if Path(source) not in leaves] + globs
