"""Which occurrence stands for a sample, and which filter drops it: decided here, once, for all that comes after.

A sample stays when one of its occurrences is accepted by every filter, and that one stands for it: its place, licence,
caption and files are the sample's. A filter sees each occurrence in `pool` (`source_uri`, `license`, ...). One that
asks the table `occurrences` says of a sample only that some occurrence will do; to learn which, it is asked again with
every occurrence in the place of its sample.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import OCCURRENCES, POOL, TABLES
from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.selection.selection_config import Filter
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.state_views import WITH_STATES_SQL
from windrow.tasks.storage.catalog.views import POOL_SQL
from windrow.tasks.storage.files.whole_columns import whole

OF_SAMPLES = [table.name for table in TABLES if "sample_id" in table.schema().names and table is not POOL]
CANDIDATES = "(SELECT * FROM occurrences WHERE unreadable IS NULL)"
ORDER_SQL = f"SELECT sample_id, occurrence_id FROM {CANDIDATES} ORDER BY sample_id, source_uri, shard, position"
# A CTE stands for a table where the filter names that, and nowhere else: not in the views that it asks.
ALONE_SQL = """
WITH candidate AS MATERIALIZED (
    SELECT * FROM {candidates} QUALIFY count(*) OVER (PARTITION BY sample_id) > 1
), {tables}
asked AS (SELECT * REPLACE (occurrence_id AS sample_id) FROM seen_each WHERE occurrence_id IN (
    SELECT occurrence_id FROM candidate
))
SELECT occurrence_id FROM asked AS pool WHERE NOT coalesce(({keep}
), false)
"""


@dataclass(frozen=True)
class Standing:
    """Of each readable sample: the occurrence that stands for it, and the first filter that it breaks, else null."""

    sample_ids: pa.Array
    occurrence_ids: pa.Array
    broken: pa.Array

    def of(self, sample_ids: pa.Array) -> Standing:
        """The same of some of the samples, in their order."""
        rows = pc.index_in(sample_ids, self.sample_ids)
        return Standing(sample_ids, self.occurrence_ids.take(rows), self.broken.take(rows))


def decide_standing(connection: Any, filters: Sequence[Filter]) -> Standing:
    """Decide over a catalog without a ranking. Raises ValueError naming the filter that DuckDB refuses."""
    see_each_occurrence(connection)
    places = connection.sql(ORDER_SQL).to_arrow_table()
    sample_ids, occurrence_ids = whole(places["sample_id"]), whole(places["occurrence_id"])
    rule_of = np.full(len(occurrence_ids), -1)
    for_another = np.zeros(len(occurrence_ids), np.bool_)
    for number, rule in enumerate(filters):
        rule_of[_are_in(occurrence_ids, breaking(connection, rule)) & (rule_of < 0)] = number
        for_another |= _are_in(occurrence_ids, _accepted_for_another(connection, rule))
    worse = np.where(rule_of >= 0, 2, for_another)  # accepted, accepted for another of its sample, broken
    standing = pa.array(_first_of_the_best(sample_ids, worse))
    rules = pa.array([rule.name for rule in filters], pa.string())
    broken = rules.take(pa.array(rule_of, mask=rule_of < 0))
    return Standing(sample_ids.take(standing), occurrence_ids.take(standing), broken.take(standing))


def _are_in(occurrence_ids: pa.Array, some: pa.ChunkedArray) -> BoolArray:
    return np.asarray(pc.is_in(occurrence_ids, whole(some)))


def _first_of_the_best(sample_ids: pa.Array, worse: Int64Array) -> Int64Array:
    """The row of each sample, whose rows (n,) lie together, that is least bad, the first of such."""
    n = len(sample_ids)
    if not n:
        return np.zeros(0, np.int64)
    begins = np.append(True, np.asarray(pc.not_equal(sample_ids[1:], sample_ids[:-1])))
    return np.asarray(np.minimum.reduceat(worse * n + np.arange(n), np.flatnonzero(begins)) % n, np.int64)


def see_each_occurrence(connection: Any) -> None:
    """Make the view that filters see: `pool`, with a row for each readable occurrence of a sample."""
    each, pool = POOL_SQL.format(occurrences=CANDIDATES), connection.table("pool")
    seen = WITH_STATES_SQL.format(pool=each) if "present" in pool.columns else each
    connection.execute(f"CREATE OR REPLACE VIEW seen_each AS {seen}")


def breaking(connection: Any, rule: Filter) -> pa.ChunkedArray:
    """Return the occurrences that break a filter. Raises ValueError naming it where it is no predicate over `pool`."""
    try:
        sql = f"SELECT occurrence_id FROM seen_each AS pool WHERE NOT coalesce(({rule.keep}\n), false)"
        return query(connection, sql).to_arrow_table()["occurrence_id"]
    except (duckdb.Error, ValueError) as error:
        raise ValueError(f"selection.filters: rule {rule.name!r} ({rule.keep}): {error}") from None


def _accepted_for_another(connection: Any, rule: Filter) -> pa.ChunkedArray:
    """Return occurrences which, were they their sample's only one, would break a filter that asks `occurrences`."""
    named = [name for name in OF_SAMPLES if re.search(rf"\b{name}\b", rule.keep, re.IGNORECASE)]
    none = pa.chunked_array([], pa.string())
    if OCCURRENCES.name not in named:
        return none
    tables = "".join(f"{name} AS ({_each_alone(name)}), " for name in named)
    sql = ALONE_SQL.format(candidates=CANDIDATES, tables=tables, keep=rule.keep)
    try:
        return query(connection, sql).to_arrow_table()["occurrence_id"]
    except duckdb.Error:  # it asks in a way that names no sample: which occurrence it means cannot be told
        return none


def _each_alone(table: str) -> str:
    if table == OCCURRENCES.name:
        return "SELECT * REPLACE (occurrence_id AS sample_id) FROM main.occurrences"
    return f"SELECT t.* REPLACE (c.occurrence_id AS sample_id) FROM main.{table} t JOIN candidate c USING (sample_id)"
