"""The last version that is not the one that a run is about to publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.labels.states.one_class import several_classes
from windrow.tasks.storage.files.parquet import naming, read_table
from windrow.tasks.storage.files.whole_columns import wide
from windrow.tasks.storage.published.versions import SAMPLES, Version, versions_backwards

SELECTED_SQL = """
SELECT e.sample_id, CASE WHEN NOT l.abstained THEN l.label END AS label, coalesce(s.present, []) AS present,
       coalesce(s.absent, []) AS absent
FROM selection e LEFT JOIN (SELECT * FROM labels WHERE label_set = $1) l USING (sample_id)
LEFT JOIN (SELECT * FROM states WHERE label_set = $1) s USING (sample_id) WHERE e.selected
ORDER BY sample_id
"""
STATES = ("present", "absent")


def version_before(store: Path, name: str, connection: Any, label_set: str) -> Version | None:
    """Return the newest version of other samples or labels than the selection's; None where there is none.

    A version of samples of one class is another one than a selection of samples of several, and the reverse. So a run
    that finds everything done compares with what the first run compared with, not with its own version.
    """
    selected = connection.sql(SELECTED_SQL, params=[label_set]).to_arrow_table()
    several = several_classes(connection)
    for version in versions_backwards(store, name):
        if not _same(version, selected, several):
            return version
    return None


def _same(version: Version, selected: pa.Table, several: bool) -> bool:
    if version.n_samples != selected.num_rows or has_states(version) != several:
        return False
    said: Sequence[str] = STATES if several else ("label",)
    samples = wide(read_version(version, ["sample_id", *said])).sort_by("sample_id")
    return all(samples[name].to_pylist() == selected[name].to_pylist() for name in ("sample_id", *said))


def has_states(version: Version) -> bool:
    """Whether the samples of a version may be of several classes: their file has `present` and `absent` then."""
    path = version.path / SAMPLES
    with naming(path):
        return set(STATES) <= set(pq.read_schema(path).names)


def read_version(version: Version, columns: list[str]) -> pa.Table:
    """Read columns of a version's samples, by rank."""
    return wide(read_table(EXPORTED_SAMPLES, [version.path / SAMPLES], [*columns, "rank"])).sort_by("rank")
