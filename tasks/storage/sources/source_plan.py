"""From sources to shards: which files are ingested together.

A tar and a Parquet file are a shard each, and so are a thousand rows of a list. Loose files are put together so that a
shard is some work, at boundaries that depend on their names alone: a new file changes the shard that it falls into and
leaves the others as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from windrow.tasks.storage.sources.list_locations import is_list
from windrow.tasks.storage.sources.list_plan import plan_list
from windrow.tasks.storage.sources.source_fields import is_sidecar, split_name
from windrow.tasks.storage.sources.source_files import find_files, find_siblings, is_folder
from windrow.tasks.storage.sources.source_shard import IngestConfig, LooseFile, SourceFile, SourceShard
from windrow.tasks.storage.store.outputs import fingerprint

MEAN_FILES = 512
MAX_FILES = 2048
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4")


def plan_shards(sources: Sequence[str], config: IngestConfig | None = None) -> list[SourceShard]:
    """Return the shards of all sources, sorted by source and shard.

    A source is a folder (with all below it), a file or a glob, local or on anything that fsspec opens. Files with the
    extension of a sidecar (`.cls`, `.json`, `.txt`, `.npy`, `.csv`, ...) are no samples; every other file is one, or an
    unreadable occurrence. Hidden files (a part of the name starts with a dot) are left out. A file that two
    sources reach is an occurrence in each. Relative paths are relative to the working directory. `list:` before a CSV,
    JSONL or Parquet file (or a folder or glob of such) makes every row a sample, which lies where `config.url_column`
    of the row says.

    Raises ValueError naming a source that does not exist, holds nothing, is given twice, or is a list without such a
    column.
    """
    if isinstance(sources, str) or not sources:
        raise ValueError(f"sources: wants a list of one or more, got {sources!r}")
    repeated = [source for n, source in enumerate(sources) if source in sources[:n]]
    if repeated:
        raise ValueError(f"sources: {repeated[0]!r} is given twice")
    planned = (shard for source in sources for shard in _plan_source(source, config or IngestConfig()))
    return sorted(planned, key=lambda s: (s.source_uri, s.shard))


def _plan_source(source: str, config: IngestConfig) -> list[SourceShard]:
    shards = list(plan_list(source, config)) if is_list(source) else _plan_files(source)
    if not shards:
        raise ValueError(f"source {source!r} holds no samples")
    return shards


def _plan_files(source: str) -> list[SourceShard]:
    shards, loose = [], []
    for file in find_files(source):
        name = file.path.lower()
        if name.endswith(_TARS):
            shards.append(SourceShard(source, "tar", file.path, file.identity, error=file.error))
        elif name.endswith(".parquet"):
            shards.append(SourceShard(source, "parquet", file.path, file.identity, error=file.error))
        else:
            loose.append(file)
    return shards + _loose_shards(source, loose)


def _loose_shards(source: str, files: list[SourceFile]) -> list[SourceShard]:
    samples = {file.path: file for file in files if not is_sidecar(split_name(file.path)[1])}
    sidecars = _sidecars(files if is_folder(source) else _siblings(source, samples))
    shards = []
    for paths in cut_by_content(list(samples), MEAN_FILES, MAX_FILES):
        loose, identities = [], []
        for path in paths:
            beside = sidecars.get(split_name(path)[0], [])
            named = tuple((file.path.rpartition(".")[2], file.n_bytes) for file in beside)
            loose.append(LooseFile(path, named, samples[path].error))
            identities.append([path, samples[path].identity, [[file.path, file.identity] for file in beside]])
        shards.append(SourceShard(source, "file", paths[0], fingerprint(identities), tuple(loose)))
    return shards


def _siblings(source: str, samples: Iterable[str]) -> list[SourceFile]:
    """Return all files beside the samples: a glob or a single file does not reach their sidecars."""
    folders = {path.rpartition("/")[0]: path for path in samples}
    return [file for path in folders.values() for file in find_siblings(source, path)]


def _sidecars(files: Iterable[SourceFile]) -> dict[str, list[SourceFile]]:
    found: dict[str, list[SourceFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        stem, extension = split_name(file.path)
        if is_sidecar(extension) and file.error is None:
            found.setdefault(stem, []).append(file)
    return found


def cut_by_content(paths: Sequence[str], mean: int, most: int) -> list[list[str]]:
    """Cut sorted distinct paths into runs of `mean` on average and at most `most`.

    A run starts at each path whose hash is a multiple of `mean`. A run that is longer than `most` is cut in two where
    the hash is smallest, until none is. So a path that is added or removed changes only runs between the two
    neighbouring multiples: one of them, or two when it is (or was) itself a start.
    """
    hashes = [int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big") for path in paths]
    starts = [n for n, value in enumerate(hashes) if n == 0 or value % mean == 0]
    runs: list[list[str]] = []
    pending = list(reversed(list(zip(starts, [*starts[1:], len(paths)], strict=False))))
    while pending:
        start, end = pending.pop()
        if end - start <= most:
            runs.append(list(paths[start:end]))
            continue
        middle = min(range(start + 1, end), key=lambda n: hashes[n])
        pending += [(middle, end), (start, middle)]
    return runs
