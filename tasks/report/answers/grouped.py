"""How the pool is grouped, and which groups the curated set is from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawings.figures import size_curve
from windrow.tasks.report.drawings.icicle import SHADES, blocks, full_shade, icicle
from windrow.tasks.report.facts import LEVEL_SQL, Level, read_levels, read_top_classes
from windrow.tasks.report.formats import count, decimal, decimals, percent, plural
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.linked import Column, table

PER_CLUSTER = 9
LEAST_MEMBERS = 4
# Runs of earlier versions have no inertia: UNION ALL BY NAME gives them the column. In the entropy, 0 ln 0 = 0.
LEVELS_SQL = """
WITH shares AS (
    SELECT level, n_members, n_samples, mean_distance, inertia,
        n_samples / nullif(sum(n_samples) OVER (PARTITION BY level), 0) AS share
    FROM (FROM clusters UNION ALL BY NAME SELECT NULL::DOUBLE AS inertia) WHERE level IS NOT NULL
)
SELECT level, count(*) AS clusters, count(*) FILTER (n_samples = 0) AS empty, count(*) FILTER (n_members = 1) AS single,
    min(n_samples) AS least, quantile_disc(n_samples, 0.5) AS middle, max(n_samples) AS most,
    max(share) AS largest, exp(-sum(share * ln(share)) FILTER (share > 0)) AS effective,
    sum(n_members * mean_distance) / nullif(sum(n_members), 0) AS distance, sum(inertia) AS inertia
FROM shares GROUP BY level ORDER BY level
"""
MEMBERS_SQL = """
WITH members AS (
    SELECT a.sample_id, a.distance, row_number() OVER (ORDER BY a.distance, a.sample_id) AS place, count(*) OVER () AS n
    FROM assignments a WHERE a.cluster_path[1] = $1
)
SELECT sample_id, distance, place, n FROM members WHERE place <= $2 OR place > n - $2 ORDER BY place
"""


def grouped(reported: Reported) -> Answer:
    """How the pool is grouped, and which groups the curated set is from."""
    ask = reported.ask
    levels = read_levels(ask.connection)
    cites = [ask.note(LEVEL_SQL, [level.number]) for level in levels]
    drawn = blocks(levels) if levels else []
    full = full_shade(drawn) if drawn else 0.0
    facts = {
        "n_levels": len(levels),
        "cites": cites,
        "curve": size_curve(levels[0].pool, levels[0].curated) if drawn else None,
        "icicle": icicle(levels, [read_top_classes(ask.connection, level.number) for level in levels])
        if drawn
        else None,
        "shades": [(f"s{n}", full * n / SHADES) for n in range(SHADES + 1)],
        "levels": table(
            ask.execute(LEVELS_SQL),
            Column("Level", "level"),
            Column("Clusters", "clusters"),
            Column("Empty", "empty"),
            Column("One member", "single"),
            Column("Least samples", "least"),
            Column("Median", "middle"),
            Column("Most", "most"),
            Column("Largest holds", "largest", percent),
            Column("Effective number", "effective", decimals(1)),
            Column("Mean distance", "distance", decimals(3)),
            Column("Inertia", "inertia", decimals(1)),
        ),
    }
    return Answer(facts, {"inside": _inside(ask, levels)})


def _inside(ask: Asked, levels: tuple[Level, ...]) -> Gallery:
    chosen = _chosen_clusters(levels[0]) if levels else {}
    strips = [strip for word, cluster in chosen.items() for strip in _cluster(ask, levels[0], cluster, word)]
    meaning = "The samples nearest to a centroid show what a cluster is about; the farthest show how far it reaches."
    return Gallery("Clusters from the inside", meaning, tuple(strips), "There are no clusters in this run.")


def _chosen_clusters(level: Level) -> dict[str, int]:
    """The largest, the median and the smallest cluster of those that have enough samples to look at."""
    least = min(LEAST_MEMBERS, int(level.pool.max()))
    order = [int(n) for n in np.argsort(-level.pool, kind="stable") if level.pool[n] >= max(least, 1)]
    if not order:
        return {}
    chosen = {order[-1]: "Smallest", order[len(order) // 2]: "Median", order[0]: "Largest"}
    return {chosen[cluster]: cluster for cluster in reversed(chosen)}


def _cluster(ask: Asked, level: Level, cluster: int, word: str) -> Iterator[Strip]:
    rows = ask.execute(MEMBERS_SQL, [cluster, PER_CLUSTER])
    shots = [Shot(name, (f"distance {decimal(distance)}",)) for name, distance, *_ in rows.fetchall()]
    n = rows.first()["n"] or 0
    kept = count(int(level.curated[cluster]))
    reach = (
        "nearest to the centroid first" if n <= 2 * PER_CLUSTER else "the nearest to the centroid, then the farthest"
    )
    if shots:
        title = f"{word} cluster, number {cluster}: {plural(n, 'sample')}, {kept} selected; {reach}"
        yield Strip(title, one_each(shots), rows.anchor)
