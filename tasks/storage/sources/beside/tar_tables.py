"""Tables of a tar's keys: what img2dataset writes beside each tar, `00000.parquet` and `00000_stats.json`.

The table has a row for each URL, with the `key` of its sample; rows whose download failed have no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from windrow.tasks.storage.sources.beside.class_folders import FOLDER, folder_of
from windrow.tasks.storage.sources.beside.partitions import partition_layers
from windrow.tasks.storage.sources.columns.parquet_columns import image_columns, with_class_name
from windrow.tasks.storage.sources.list_rows import open_list
from windrow.tasks.storage.sources.listing.source_files import find_named, find_siblings, open_or_reason
from windrow.tasks.storage.sources.listing.source_place import SourcePlace, locate
from windrow.tasks.storage.sources.parquet_source import open_parquet
from windrow.tasks.storage.sources.source import root_of_shard
from windrow.tasks.storage.sources.source_fields import Layer
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceFile, SourceShard
from windrow.tasks.storage.sources.unpacking import TAR_ENDINGS

PARQUET = ".parquet"
STATISTICS = "_stats.json"
KEY = "key"
METADATA = "metadata.parquet"


def set_aside(place: SourcePlace, files: Sequence[SourceFile], follow_links: bool = False) -> list[SourceFile]:
    """Return the files of a source, with each tar's table at the tar, and tables of loose files told as such.

    A Parquet file is a tar's table, or that of a folder of loose files, where it has that name and either such
    statistics beside it or a column `key` and no images; it is one of loose files, too, when it is called
    metadata.parquet and has no images. A table is no source of its own.
    """
    tars = {_stem(file.path): file for file in files if _is_tar(file.path)}
    around = files if place.reach == "folder" or not tars else [*files, *_siblings(place, tars, files, follow_links)]
    names = {file.path for file in around}
    folders = {file.path.rpartition("/")[0] for file in files}
    tables: dict[str, SourceFile] = {}
    for file in around:
        stem = file.path.removesuffix(PARQUET)
        about = stem in tars or stem in folders or file.path.rpartition("/")[2] == METADATA
        if (
            stem != file.path
            and about
            and not file.error
            and _is_table(place.locate(file.path), f"{stem}{STATISTICS}" in names)
        ):
            tables[file.path] = file
    left = [replace(file, is_table=True) if file.path in tables else file for file in files]
    return [
        replace(file, table=tables.get(_stem(file.path) + PARQUET)) if _is_tar(file.path) else file
        for file in left
        if not (file.is_table and _stem_of_table(file.path) in tars)
    ]


def said_of_keys(
    shard: SourceShard, config: IngestConfig
) -> tuple[Callable[[str], Sequence[Layer]] | None, tuple[str, ...]]:
    """Return what is said of a tar's keys beside their members, and the columns of its table.

    That is, what comes first counting: the row of its table, the partitions that it lies in, and the folder inside it.
    """
    rows, columns = _rows(shard, config) if shard.table else ({}, ())
    partitions = partition_layers(shard.shard, config.label_key)
    by_folder = config.folder_labels is True
    if not rows and not partitions and not by_folder:
        return None, columns
    place = f"column {config.label_key} of {(shard.table or '').rpartition('/')[2]}"

    def beneath(key: str) -> Sequence[Layer]:
        layers = list(partitions)
        row = rows.get(key.rpartition("/")[2]) or rows.get(key)
        if row:
            layers.insert(0, (place, row))
        folder = folder_of(key) if by_folder else None
        return [*layers, (FOLDER, {config.label_key: folder})] if folder else layers

    return beneath, columns


def _rows(shard: SourceShard, config: IngestConfig) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The rows of a tar's table, by key; none of a table that cannot be read or has no keys."""
    path = shard.table or ""
    file = open_or_reason(locate(shard.source_uri, path, root_of_shard(shard)))
    if isinstance(file, str):
        return {}, ()
    with file:
        reader = open_list(file, path)
        if isinstance(reader, str) or KEY not in reader.columns:
            return {}, ()
        names = reader.class_names(config.label_key)
        found = (row.values for row in reader.rows(reader.start))
        rows = {
            str(values[KEY]): with_class_name({k: v for k, v in values.items() if k != KEY and v is not None},
                                              config.label_key, names)
            for values in found if values.get(KEY) is not None
        }  # fmt: skip
        return rows, tuple(reader.columns)


def _is_table(location: str, has_statistics: bool) -> bool:
    if has_statistics:
        return True
    opened = open_or_reason(location)
    if isinstance(opened, str):
        return False
    with opened:
        parquet = open_parquet(opened)
        if isinstance(parquet, str) or image_columns(parquet.schema_arrow):
            return False
        return KEY in parquet.schema_arrow.names or location.rpartition("/")[2] == METADATA


def _siblings(
    place: SourcePlace, tars: Mapping[str, SourceFile], files: Sequence[SourceFile], follow_links: bool
) -> Iterator[SourceFile]:
    """What may be tables of tars, and their statistics, beside a glob's files; beside one tar they are asked for."""
    if place.reach == "file":
        for stem, tar in tars.items():
            tables = list(find_named(place, tar.path, [f"{stem}{PARQUET}"], follow_links))
            statistics = find_named(place, tar.path, [f"{stem}{STATISTICS}"], follow_links) if tables else ()
            yield from (*tables, *statistics)
        return
    known = {file.path for file in files}
    wanted = {f"{stem}{ending}" for stem in tars for ending in (PARQUET, STATISTICS)} - known
    folders = {file.path.rpartition("/")[0]: file.path for file in tars.values()}
    for path in folders.values():
        yield from find_siblings(place, path, follow_links, wanted.__contains__)


def _is_tar(path: str) -> bool:
    return path.lower().endswith(TAR_ENDINGS)


def _stem(path: str) -> str:
    ending = next((ending for ending in TAR_ENDINGS if path.lower().endswith(ending)), "")
    return path[: len(path) - len(ending)]


def _stem_of_table(path: str) -> str:
    return path.removesuffix(PARQUET)
