"""What a run did, in numbers: each is an aggregate that DuckDB computes, so the pool never comes into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.report.formats import percent

LEVEL_SQL = """
SELECT coalesce(c.parent_id, -1) AS parent_id, c.n_samples, coalesce(s.n, 0) AS n_selected
FROM clusters c LEFT JOIN (
    SELECT cluster_path[$1] AS cluster_id, count(*) AS n
    FROM pool WHERE selected AND cluster_path IS NOT NULL GROUP BY 1
) s USING (cluster_id)
WHERE c.level = $1 ORDER BY c.cluster_id
"""


TOP_CLASS_SQL = """
SELECT cluster_id, class FROM (
    SELECT cluster_path[$1] AS cluster_id, classes[1] AS class, count(*) AS n
    FROM pool WHERE cluster_path IS NOT NULL AND classes IS NOT NULL GROUP BY ALL
) QUALIFY row_number() OVER (PARTITION BY cluster_id ORDER BY n DESC, class) = 1
"""
OVERLAP_SQL = """
SELECT n_reference, reference_covered, reference_covered_low, reference_covered_high, pool_alike FROM reference_overlap
"""


@dataclass(frozen=True)
class Level:
    """The clusters of a level, by number: their parents (-1 at the top), and their samples in pool and curated set."""

    number: int
    parents: Int64Array
    pool: Int64Array
    curated: Int64Array


def read_overlap(connection: Any) -> str | None:
    """Return in a sentence how pool and reference set overlap; None where there is no reference set."""
    for n, covered, low, high, alike in connection.execute(OVERLAP_SQL).fetchall():
        interval = f" (95 % interval {percent(low)} to {percent(high)})" if low < high else ""
        within = f"Of the reference set ({n:,} samples) {percent(covered)}{interval} lies within the pool"
        return f"{within}, and {percent(alike)} of the pool is like it"
    return None


def read_levels(connection: Any) -> tuple[Level, ...]:
    """Return the levels of the hierarchy, finest first."""
    numbers = connection.execute("SELECT DISTINCT level FROM clusters ORDER BY level").fetchall()
    levels = []
    for (number,) in numbers:
        found = connection.execute(LEVEL_SQL, [number]).fetchnumpy()
        columns = (np.asarray(found[name]).astype(np.int64) for name in ("parent_id", "n_samples", "n_selected"))
        levels.append(Level(number, *columns))
    return tuple(levels)


def read_top_classes(connection: Any, level: int) -> dict[int, str]:
    """Return the most common class of each cluster of a level, by the cluster's number."""
    return dict(connection.execute(TOP_CLASS_SQL, [level]).fetchall())
