"""Outcomes: exactly one for every occurrence, or the run fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import EMBEDDINGS, OCCURRENCES, OUTCOMES, SELECTION
from windrow.schemas.forgotten import FORGOTTEN_BY
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output

VERSION = 3

OUTCOMES_SQL = f"""
WITH placed AS (
    SELECT o.*, coalesce(
        s.occurrence_id,
        first_value(o.occurrence_id) OVER (PARTITION BY o.sample_id ORDER BY o.source_uri, o.shard, o.position)
    ) AS canonical
    FROM occurrences o LEFT JOIN selection s USING (sample_id)
)
SELECT o.occurrence_id, o.sample_id,
    CASE
        WHEN starts_with(o.unreadable, '{FORGOTTEN_BY}') THEN 'forgotten'
        WHEN coalesce(o.unreadable, e.error, gone.reason) IS NOT NULL THEN 'unreadable'
        WHEN o.occurrence_id <> o.canonical THEN 'duplicate'
        WHEN s.dropped_by = 'near_duplicate' THEN 'near_duplicate'
        WHEN s.dropped_by = 'held_out' THEN 'held_out'
        WHEN s.dropped_by IS NOT NULL THEN 'filtered'
        WHEN s.selected AND $kept_back::VARCHAR IS NOT NULL THEN 'not_published'
        WHEN s.selected OR (s.rank IS NOT NULL AND $what = 'pool' AND $kept_back::VARCHAR IS NULL) THEN 'exported'
        WHEN s.rank IS NOT NULL THEN 'not_selected'
    END AS outcome,
    CASE outcome
        WHEN 'forgotten' THEN substr(o.unreadable, {len("forgotten: ") + 1})
        WHEN 'unreadable' THEN coalesce(o.unreadable, e.error, gone.reason)
        WHEN 'duplicate' THEN 'same bytes'
        WHEN 'near_duplicate' THEN 'cosine similarity ' || round(s.similarity, 4)
        WHEN 'filtered' THEN s.dropped_by
        WHEN 'not_published' THEN $kept_back::VARCHAR
    END AS reason,
    CASE outcome WHEN 'duplicate' THEN o.canonical WHEN 'near_duplicate' THEN s.duplicate_of END AS duplicate_of
FROM placed o
LEFT JOIN selection s USING (sample_id)
LEFT JOIN embeddings e USING (sample_id)
LEFT JOIN gone USING (sample_id)
ORDER BY o.occurrence_id
"""


def account(
    store: Path, made: Made, gone: Mapping[str, str], kept_back: str | None = None, what: str = "curated"
) -> Done:
    """Write OUTCOMES: every occurrence of the run once, in the order of `occurrence_id`.

    `gone` says why samples that were selected could not be read when they were exported, `kept_back` why the guard let
    nothing be exported; `what` is exported: see ExportConfig. Raises RuntimeError when an occurrence has no outcome, or
    when the outcomes do not add up to the occurrences.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.FEATURES, Stage.RANK)

    def write(writer: OutputWriter) -> None:
        connection = connect(tables_of(outputs), only=[OCCURRENCES, SELECTION, EMBEDDINGS])
        _add_gone(connection, gone)
        outcomes = connection.sql(OUTCOMES_SQL, params={"kept_back": kept_back, "what": what}).to_arrow_table()
        n_occurrences = sum(output.counts["n_occurrences"] for output in outputs[Stage.INGEST])
        lost = outcomes["outcome"].null_count
        if lost or outcomes.num_rows != n_occurrences:
            raise RuntimeError(f"{n_occurrences} occurrences, {outcomes.num_rows} outcomes, {lost} of them empty")
        writer.write(OUTCOMES, OUTCOMES.build({name: outcomes[name] for name in outcomes.column_names}))
        counted = {row["values"]: row["counts"] for row in pc.value_counts(outcomes["outcome"]).to_pylist()}
        writer.counts.update({"n_occurrences": n_occurrences, **counted})

    inputs = {**digests(outputs), "gone": dict(gone), "kept_back": kept_back, "what": what}
    return make_output(store, Stage.ACCOUNT, VERSION, inputs, write)


def _add_gone(connection: Any, gone: Mapping[str, str]) -> None:
    rows = pa.table(
        {"sample_id": pa.array(list(gone), pa.string()), "reason": pa.array(list(gone.values()), pa.string())}
    )
    connection.register("_gone", rows)
    connection.execute("CREATE TABLE gone AS SELECT * FROM _gone")
