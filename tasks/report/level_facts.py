"""The hierarchy in numbers, level by level: aggregates that DuckDB computes from the clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from windrow.tasks.report.formats import count

# Runs of earlier versions have no inertia: UNION ALL BY NAME gives them the column. In the entropy, 0 ln 0 = 0.
FIGURES_SQL = """
WITH shares AS (
    SELECT level, n_members, n_samples, mean_distance, inertia,
           n_samples / nullif(sum(n_samples) OVER (PARTITION BY level), 0) AS share
    FROM (FROM clusters UNION ALL BY NAME SELECT NULL::DOUBLE AS inertia) WHERE level IS NOT NULL
)
SELECT level, count(*), count(*) FILTER (n_members = 1), count(*) FILTER (n_samples = 0),
       quantile_disc(n_members, [0, 0.25, 0.5, 0.75, 1]), quantile_disc(n_samples, [0, 0.25, 0.5, 0.75, 1]),
       exp(-sum(share * ln(share)) FILTER (share > 0)), max(share),
       sum(n_members * mean_distance) / nullif(sum(n_members), 0),
       sum(inertia), sum(inertia) / nullif(sum(n_members), 0)
FROM shares GROUP BY level ORDER BY level
"""


@dataclass(frozen=True)
class LevelFigures:
    """A level's clusters as the clustering left them, before anything was selected.

    n_single: clusters of one member; members are clusters of the level below (samples, at level 1). n_empty: clusters
    without a sample. members, samples: the least size of a cluster, the quartiles and the most. effective: how many
    clusters with equally many samples would be as diverse; largest: share of the samples that is in the largest (None
    when there are no samples, both). distance: mean distance of the members to their centroids; inertia: sum of the
    squared distances; mean_square: their mean (None where they were not recorded).
    """

    number: int
    n_clusters: int
    n_single: int
    n_empty: int
    members: tuple[int, ...]
    samples: tuple[int, ...]
    effective: float | None
    largest: float
    distance: float | None
    inertia: float | None
    mean_square: float | None


def read_level_figures(connection: Any) -> tuple[LevelFigures, ...]:
    """Return the figures of every level, finest first."""
    found = []
    for number, n, n_single, n_empty, members, samples, effective, largest, *distances in connection.execute(
        FIGURES_SQL
    ).fetchall():
        sizes = tuple(members), tuple(samples)
        found.append(LevelFigures(number, n, n_single, n_empty, *sizes, effective, largest or 0.0, *distances))
    return tuple(found)


def spread(sizes: tuple[int, ...]) -> str:
    """Sizes as '1 · 3–8 · 40': the least, the lower to the upper quartile, the most."""
    least, lower, _, upper, most = (count(size) for size in sizes)
    return f"{least} · {lower}–{upper} · {most}"
