"""What a run did, in numbers: each is an aggregate that DuckDB computes, so the pool never comes into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.selection.balance import effective_number
from windrow.tasks.report.formats import percent

LEVEL_SQL = """
SELECT c.cluster_id, coalesce(c.parent_id, -1) AS parent_id, c.n_samples, coalesce(s.n, 0) AS n_selected
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
TOTALS_SQL = """
SELECT (SELECT count(*) FROM occurrences), (SELECT count(*) FROM pool),
       (SELECT count(*) FROM shards), (SELECT count(DISTINCT source_uri) FROM occurrences),
       (SELECT count(*) FROM outcomes WHERE outcome = 'unreadable'),
       (SELECT count(*) FROM pool WHERE dropped_by = 'near_duplicate'),
       count(*), count(label) FILTER (NOT abstained), count(given_label)
FROM pool WHERE selected
"""
OVERLAP_SQL = """
SELECT n_reference, reference_covered, reference_covered_low, reference_covered_high, pool_alike FROM reference_overlap
"""


@dataclass(frozen=True)
class Totals:
    """The numbers of the first line. `n_labelled` and `n_given` are of the `n_selected`."""

    n_occurrences: int
    n_samples: int
    n_shards: int
    n_sources: int
    n_unreadable: int
    n_near_duplicates: int
    n_selected: int
    n_labelled: int
    n_given: int


@dataclass(frozen=True)
class Level:
    """The clusters of a level, by number: their parents (-1 at the top), and their samples in pool and curated set."""

    number: int
    parents: Int64Array
    pool: Int64Array
    curated: Int64Array

    @property
    def n_empty(self) -> tuple[int, int]:
        """Clusters without a sample, in the pool and in the curated set."""
        return int((self.pool == 0).sum()), int((self.curated == 0).sum())

    @property
    def n_single(self) -> tuple[int, int]:
        """Clusters of one sample, in the pool and in the curated set."""
        return int((self.pool == 1).sum()), int((self.curated == 1).sum())

    @property
    def largest(self) -> tuple[int, int]:
        """Samples of the largest cluster, in the pool and in the curated set."""
        return int(self.pool.max()), int(self.curated.max())

    @property
    def effective(self) -> tuple[float, float]:
        """How many equally large clusters would be as diverse, in the pool and in the curated set (nan when empty)."""
        return effective_number(self.pool), effective_number(self.curated)


@dataclass(frozen=True)
class Stage:
    """What a stage took, and how many of its outputs it found done."""

    name: str
    seconds: float
    n_outputs: int
    n_found: int
    n_samples: int


def read_overlap(connection: Any) -> str | None:
    """Return in a sentence how pool and reference set overlap; None where there is no reference set."""
    for n, covered, low, high, alike in connection.execute(OVERLAP_SQL).fetchall():
        interval = f" (95 % interval {percent(low)} to {percent(high)})" if low < high else ""
        within = f"Of the reference set ({n:,} samples) {percent(covered)}{interval} lies within the pool"
        return f"{within}, and {percent(alike)} of the pool is like it"
    return None


def read_totals(connection: Any) -> Totals:
    """Return the numbers of the first line."""
    return Totals(*connection.execute(TOTALS_SQL).fetchone())


def read_levels(connection: Any) -> tuple[Level, ...]:
    """Return the levels of the hierarchy, finest first."""
    numbers = connection.execute("SELECT DISTINCT level FROM clusters ORDER BY level").fetchall()
    levels = []
    for (number,) in numbers:
        found = connection.execute(LEVEL_SQL, [number]).fetchnumpy()
        parents, pool, curated = (np.asarray(found[name]) for name in ("parent_id", "n_samples", "n_selected"))
        levels.append(Level(number, parents.astype(np.int64), pool.astype(np.int64), curated.astype(np.int64)))
    return tuple(levels)


def read_top_classes(connection: Any, level: int) -> dict[int, str]:
    """Return the most common class of each cluster of a level, by the cluster's number."""
    return dict(connection.execute(TOP_CLASS_SQL, [level]).fetchall())


def read_stages(connection: Any, run_id: str) -> tuple[Stage, ...]:
    """Return the stages of a run, in the order in which they ran."""
    sql = "SELECT stage, seconds, n_outputs, n_found, n_samples FROM stages WHERE run_id = ?"
    return tuple(Stage(*row) for row in connection.execute(sql, [run_id]).fetchall())
