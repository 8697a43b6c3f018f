"""Shards whose files were found changed after they were ingested: the next run ingests them again.

Most changes show in a file's identity. Where they do not (an object store without versions, a file that changes while
a run is on its way), the bytes do, when they are read again. Then the output is marked, by a file of its name in
`stale/`, and is not taken for what the source holds any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import EMBEDDINGS, OCCURRENCES
from windrow.tasks.storage.sources.source import CHANGED
from windrow.tasks.storage.store.outputs import Output, open_output

FOLDER = "stale"
N_CHANGES = "n_changes"
"""Of an output's inputs: how often its shard was found changed though its identity was the same."""


def is_stale(store: Path, output: str) -> bool:
    """Say whether an ingested shard (its output's path) was found changed since."""
    return _mark(store, output).exists()


def changed_while_embedding(embedded: Sequence[Output]) -> dict[str, str]:
    """Return the samples whose bytes had changed when they were to be embedded, and what is said of them."""
    found: dict[str, str] = {}
    for output in embedded:
        if output.counts.get("n_errors"):
            rows = output.read(EMBEDDINGS, ["sample_id", "error"])
            rows = rows.filter(pc.is_valid(rows["error"]))
            found.update(zip(rows["sample_id"].to_pylist(), rows["error"].to_pylist(), strict=True))
    return found


def mark_changed(store: Path, ingested: Sequence[str], gone: Mapping[str, str]) -> list[str]:
    """Mark the shards that hold samples which `gone` says have changed; return where each of them is."""
    found = [sample_id for sample_id, reason in gone.items() if reason.endswith(CHANGED)]
    if not found:
        return []
    changed = pa.array(found, pa.string())
    places = []
    for path in ingested:
        rows = open_output(store / path).read(OCCURRENCES, ["sample_id", "source_uri", "shard", "key"])
        rows = rows.filter(pc.is_in(rows["sample_id"], changed))
        if rows.num_rows:
            mark = _mark(store, path)
            mark.parent.mkdir(exist_ok=True)
            mark.touch()
            row = rows.slice(0, 1).to_pylist()[0]
            more = f" and {rows.num_rows - 1:,} more" if rows.num_rows > 1 else ""
            places.append(f"{row['key']}{more} of {row['source_uri']}")
    return places


def _mark(store: Path, output: str) -> Path:
    return store / FOLDER / Path(output).name
