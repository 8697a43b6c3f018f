"""Which occurrence stands for a sample, and which filter drops it: decided here, once, for all that comes after.

A sample stays when one of its occurrences is accepted by every filter, and that one stands for it: its place, licence,
caption and files are the sample's. A filter sees each occurrence in `pool` (`source_uri`, `license`, ...). One that
asks the table `occurrences` says of a sample only that some occurrence will do; to learn which, it is asked again with
every occurrence in the place of its sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb
import pyarrow as pa

from windrow.schemas import OCCURRENCES, POOL, TABLES
from windrow.tasks.selection.selection_config import Filter
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.state_views import WITH_STATES_SQL
from windrow.tasks.storage.catalog.views import POOL_SQL

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
    """By sample_id: the occurrence that stands for it, and the first filter that it breaks, None where it does not."""

    occurrence_ids: dict[str, str]
    broken: dict[str, str | None]

    def column(self, sample_ids: pa.Array) -> pa.Array:
        """The occurrences that stand for some samples."""
        return pa.array([self.occurrence_ids[each] for each in sample_ids.to_pylist()], pa.string())


def decide_standing(connection: Any, filters: Sequence[Filter]) -> Standing:
    """Decide over a catalog without a ranking. Raises ValueError naming the filter that DuckDB refuses."""
    see_each_occurrence(connection)
    broken: dict[str, str] = {}
    elsewhere: set[str] = set()
    for rule in filters:
        for occurrence_id in breaking(connection, rule):
            broken.setdefault(occurrence_id, rule.name)
        elsewhere.update(_accepted_for_another(connection, rule))
    standing: dict[str, str] = {}
    rules: dict[str, str | None] = {}
    for sample_id, places in _places(connection):
        accepted = [place for place in places if place not in broken]
        standing[sample_id] = next((place for place in accepted if place not in elsewhere), (accepted or places)[0])
        rules[sample_id] = broken.get(standing[sample_id])
    return Standing(standing, rules)


def see_each_occurrence(connection: Any) -> None:
    """Make the view that filters see: `pool`, with a row for each readable occurrence of a sample."""
    each, pool = POOL_SQL.format(occurrences=CANDIDATES), connection.table("pool")
    seen = WITH_STATES_SQL.format(pool=each) if "present" in pool.columns else each
    connection.execute(f"CREATE OR REPLACE VIEW seen_each AS {seen}")


def breaking(connection: Any, rule: Filter) -> list[str]:
    """Return the occurrences that break a filter. Raises ValueError naming it where it is no predicate over `pool`."""
    try:
        sql = f"SELECT occurrence_id FROM seen_each AS pool WHERE NOT coalesce(({rule.keep}\n), false)"
        return [row[0] for row in query(connection, sql).fetchall()]
    except (duckdb.Error, ValueError) as error:
        raise ValueError(f"selection.filters: rule {rule.name!r} ({rule.keep}): {error}") from None


def _accepted_for_another(connection: Any, rule: Filter) -> list[str]:
    """Return occurrences which, were they their sample's only one, would break a filter that asks `occurrences`."""
    named = [name for name in OF_SAMPLES if re.search(rf"\b{name}\b", rule.keep, re.IGNORECASE)]
    if OCCURRENCES.name not in named:
        return []
    tables = "".join(f"{name} AS ({_each_alone(name)}), " for name in named)
    sql = ALONE_SQL.format(candidates=CANDIDATES, tables=tables, keep=rule.keep)
    try:
        return [row[0] for row in query(connection, sql).fetchall()]
    except duckdb.Error:  # it asks in a way that names no sample: which occurrence it means cannot be told
        return []


def _each_alone(table: str) -> str:
    if table == OCCURRENCES.name:
        return "SELECT * REPLACE (occurrence_id AS sample_id) FROM main.occurrences"
    return f"SELECT t.* REPLACE (c.occurrence_id AS sample_id) FROM main.{table} t JOIN candidate c USING (sample_id)"


def _places(connection: Any) -> Iterator[tuple[str, list[str]]]:
    rows = connection.sql(ORDER_SQL).fetchall()
    for sample_id, group in groupby(rows, key=lambda row: row[0]):
        yield sample_id, [occurrence_id for _, occurrence_id in group]
