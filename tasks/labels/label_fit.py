"""Whether a file of labels can fit a pool that is not read yet, as far as the names of its files tell.

What a sample's id is, and what keys a tar or a table has, is known once its bytes are read; not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from windrow.tasks.ingest.kept_labels import kept_text
from windrow.tasks.labels.label_file import WANTED, WITH_STATES, load_label_file
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.sources.source_shard import SourceShard

_NOTHING_READ = """
CREATE TABLE samples (sample_id VARCHAR);
CREATE TABLE class_names (number BIGINT, name VARCHAR);
CREATE TABLE occurrences AS
    SELECT key, shard, source_uri, 'file' AS kind, 'not read' AS sample_id, NULL::VARCHAR AS occurrence_id FROM _listed
"""
# All keys are listed where all shards are loose files.
_MAY_FIT = """
SELECT count(*) FROM given_rows WHERE says AND (
    regexp_full_match(sample_id, '[0-9a-f]{32}') OR line IN (SELECT line FROM by_key)
    OR (NOT $all_listed AND sample_id IS NULL AND key IS NOT NULL)
)
"""


def check_label_fit(source: str, setting: str, shards: Sequence[SourceShard], with_states: bool = False) -> None:
    """Raise ValueError, naming the setting, for a file that cannot be used or none of whose rows can name a sample.

    `shards` are those of the pool. `with_states`: a row may say that a class is absent.
    """
    with open_connection() as connection:
        connection.register("_listed", _listed(shards))
        connection.execute(_NOTHING_READ)
        tally = load_label_file(connection, source, setting, WITH_STATES if with_states else WANTED)
        all_listed = all(shard.kind == "file" for shard in shards)
        if _may_fit(connection, all_listed):
            return
    keys = f", and a key is as {shards[0].files[0].path!r}" if all_listed else ""
    none = f"names none of the pool's samples: a sample_id has 32 hex digits{keys}"
    what = "has no row with both a sample and a label" if tally.n_empty == tally.n_rows else none
    raise ValueError(f"{setting}: {source} {what} ({tally})")


def _listed(shards: Sequence[SourceShard]) -> pa.Table:
    """The loose files of shards, by the key that each will have."""
    keys = pa.array([kept_text(file.path) for shard in shards for file in shard.files], pa.large_string())
    names = [pa.array([getattr(each, name) for each in shards], pa.large_string()) for name in ("shard", "source_uri")]
    of_shard = pa.array([n for n, shard in enumerate(shards) for _ in shard.files], pa.int64())
    return pa.table([keys, *(each.take(of_shard) for each in names)], names=["key", "shard", "source_uri"])


def _may_fit(connection: Any, all_listed: bool) -> bool:
    return bool(connection.execute(_MAY_FIT, {"all_listed": all_listed}).fetchall()[0][0])
