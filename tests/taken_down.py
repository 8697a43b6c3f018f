"""A small pool of which samples are forgotten, and what they may leave behind in a store's files."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from small_pool import SmallPool, ids

from windrow.schemas import EMBEDDINGS
from windrow.tasks.report.thumbnails import Thumbnail, thumbnail
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.takedown.forget_targets import choose
from windrow.tasks.takedown.removal import finish_takedowns, forget

NOW = datetime(2025, 11, 21, tzinfo=UTC)
WISH = "asked for by letter"
STAGES = {"ingest", "features", "neighbors", "cluster", "pseudo_label", "rank", "account", "pool"}


def copied(pool: SmallPool, store: Path) -> SmallPool:
    shutil.copytree(pool.store, store)
    return pool.over(store)


def forget_again(pool: SmallPool) -> list[str]:
    """Do as the command does; return what was forgotten now."""
    finish_takedowns(pool.store)
    choice = choose(pool.store, ids(pool.wanted))
    if choice.chosen:
        forget(pool.store, [vars(each) for each in choice.chosen], WISH, NOW)
    return sorted(each.sample_id for each in choice.chosen)


def contents(path: Path) -> Iterator[bytes]:
    """What a file holds: its bytes, and those of its columns when these are compressed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield from (bytes(part) for chunk in column.chunks for part in chunk.buffers() if part)


def files_with(store: Path, traces: Mapping[str, bytes]) -> dict[str, set[str]]:
    """The files that hold each trace, as paths in the store."""
    files = [path for path in store.rglob("*") if path.is_file()]
    held = {path: list(contents(path)) for path in files}
    return {
        name: {str(path.relative_to(store)) for path in files if any(trace in part for part in held[path])}
        for name, trace in traces.items()
    }


def traces_of(store: Path, *samples: bytes) -> dict[str, bytes]:
    """What a sample can leave behind: its bytes, its vector, its id, its thumbnail, what came with it."""
    tables = [output.read(EMBEDDINGS) for output in all_outputs(store, "features")]
    vectors = {row["sample_id"]: row["embedding"] for table in tables for row in table.to_pylist()}
    found = {}
    for number, data in enumerate(samples):
        (name,) = ids(data)
        shown = thumbnail(data)
        assert isinstance(shown, Thumbnail)
        found[f"bytes {number}"] = data
        found[f"vector {number}"] = np.array(vectors[name], np.float16).tobytes()
        found[f"id {number}"] = name.encode()
        found[f"thumbnail {number}"] = shown.uri.encode()
    return found | {"metadata": b"my own name"}


def state(store: Path) -> dict[str, Any]:
    """Every file of a store and what it holds, but for the time that things took."""

    def held(path: Path) -> Any:
        if path.suffix != ".json":
            return hashlib.sha256(path.read_bytes()).hexdigest()
        values = json.loads(path.read_text())
        return {name: value for name, value in values.items() if name not in ("seconds", "finished_at", "seal")}

    return {str(path.relative_to(store)): held(path) for path in sorted(store.rglob("*")) if path.is_file()}
