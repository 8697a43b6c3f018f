"""Splits hold from version to version: a sample stays where it was; what is near a test sample is not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import NEAR_DUPLICATE_THRESHOLD, SELECTION
from windrow.schemas.exported import REST
from windrow.schemas.stages import Part
from windrow.tasks.selection.selection_config import SPLIT_CONFLICT, Split
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.published.versions import SAMPLES, list_versions
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output

VERSION = 2
NUMBERED_SQL = "CREATE TABLE numbered AS SELECT unnest($1) AS filename, generate_subscripts($1, 1) AS version"
EARLIER_SQL = f"""
CREATE VIEW earlier AS
SELECT sample_id, arg_min(split, version) AS split
FROM (SELECT sample_id, split, filename FROM {{samples}})
SEMI JOIN selection USING (sample_id) JOIN numbered USING (filename)
WHERE split <> '{REST}' GROUP BY sample_id
"""
"""The split of each sample in the first version that had it selected."""
# Of a group that was held out in several splits, the one of its first sample by `sample_id` counts.
CORRECTIONS_SQL = f"""
WITH rows AS (
    SELECT s.sample_id, s.group_id, s.split, e.split AS before, list_contains($splits, e.split) AS stands, s.rank
    FROM selection s LEFT JOIN earlier e USING (sample_id)
), groups AS (
    SELECT group_id, coalesce(arg_min(before, sample_id) FILTER (before <> $trained), $trained) AS held
    FROM rows WHERE stands GROUP BY group_id
), wanted AS (
    SELECT rows.*, CASE WHEN stands THEN before ELSE held END AS wanted,
        wanted = $trained AND held <> $trained AS clashes
    FROM rows JOIN groups USING (group_id)
)
SELECT sample_id, CASE WHEN clashes THEN '{SPLIT_CONFLICT}' ELSE wanted END FROM wanted
WHERE rank IS NOT NULL AND (clashes OR split <> wanted)
ORDER BY sample_id
"""


def freeze_splits(store: Path, ranked: Done, name: str, splits: Sequence[Split]) -> Done:
    """Return `ranked` where its splits agree with those of all versions of the curated set, else a corrected output.

    A sample that a version had goes to the split it had there first, and what joins its group to that one too. A sample
    that would be trained on while its group has one that was ever held out is not ranked, with the reason
    'split_conflict'. The split that is trained on is the one named 'train', or the first. Samples that have left the
    pool are not seen: what is near them is not known any more.
    """
    output = open_output(store / ranked.path)
    corrections = corrections_of(
        output.table_path(SELECTION), earlier_files(store, name), [each.name for each in splits]
    )
    if not corrections:
        return ranked

    def write(writer: OutputWriter) -> None:
        selection = corrected(output.read(SELECTION), corrections)
        writer.write(SELECTION, selection)
        writer.write(NEAR_DUPLICATE_THRESHOLD, output.read(NEAR_DUPLICATE_THRESHOLD))
        n_ranked = selection.num_rows - selection["rank"].null_count
        counts = {**ranked.counts, "n_ranked": n_ranked, "n_selected": pc.sum(selection["selected"]).as_py()}
        if n_conflicts := sum(what == SPLIT_CONFLICT for what in corrections.values()):
            counts[f"dropped_by_{SPLIT_CONFLICT}"] = n_conflicts
        writer.counts.update(counts)

    return make_output(store, Part.FROZEN_SPLITS, VERSION, {"ranked": output.digest, "corrections": corrections}, write)


def earlier_files(store: Path, name: str) -> list[Path]:
    """Return the samples of each version of a curated set, oldest first."""
    return [version.path / SAMPLES for version in list_versions(store, name)]


def corrections_of(selection: Path, earlier: Sequence[Path], splits: Sequence[str]) -> dict[str, str]:
    """Return what of a SELECTION is to be another way, by `sample_id`: a split, or SPLIT_CONFLICT.

    earlier: the samples of versions, oldest first. DuckDB joins them, within `memory_gb`: there may be one a night.
    """
    if not earlier:
        return {}
    with open_connection([selection, *earlier]) as connection:
        connection.execute(f"CREATE VIEW selection AS SELECT * FROM {parquet_scan([selection])}")
        connection.execute(NUMBERED_SQL, [[str(path.absolute()) for path in earlier]])
        connection.execute(EARLIER_SQL.format(samples=parquet_scan(earlier, ", filename = true")))
        return found_corrections(connection, splits)


def found_corrections(connection: Any, splits: Sequence[str]) -> dict[str, str]:
    """The same of `selection` and `earlier` (sample_id, split) of a connection."""
    trained = "train" if "train" in splits else splits[0]
    values = {"splits": list(splits), "trained": trained}
    return dict(connection.execute(CORRECTIONS_SQL, values).fetchall())


def corrected(selection: pa.Table, corrections: Mapping[str, str]) -> pa.Table:
    """Put in other splits, and without the samples in conflict, whose places in the ranking close up."""
    what = [corrections.get(name) for name in selection["sample_id"].to_pylist()]
    dropped = np.array([each == SPLIT_CONFLICT for each in what])
    ranks = np.asarray(selection["rank"].fill_null(0).to_numpy())
    closed = ranks - np.searchsorted(np.sort(ranks[dropped]), ranks)
    ranked = (ranks > 0) & ~dropped
    selected = selection["selected"].to_numpy() & ranked
    texts = {name: whole(selection[name]) for name in ("split", "part", "dropped_by")}
    moved = pa.array([None if each == SPLIT_CONFLICT else each for each in what], pa.string())
    nothing = pa.scalar(None, pa.string())
    changed = {
        "rank": pa.array(closed, pa.int64(), mask=~ranked),
        "selected": pa.array(selected),
        "split": pc.if_else(selected, pc.coalesce(moved, texts["split"]), nothing),
        "sample_weight": pa.array(selection["sample_weight"].fill_null(0).to_numpy(), mask=~selected),
        "part": pc.if_else(dropped, nothing, texts["part"]),
        "dropped_by": pc.if_else(dropped, pa.scalar(SPLIT_CONFLICT), texts["dropped_by"]),
    }
    columns = {name: changed.get(name, whole(selection[name])) for name in selection.column_names}
    return SELECTION.build(columns)
