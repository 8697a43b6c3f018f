"""What lies behind the answers: balance class by class, the map, clusters, samples at a glance, and what it took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.balance_facts import read_balance
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawings.embedding_map import embedding_map
from windrow.tasks.report.drawings.figures import size_curve
from windrow.tasks.report.drawings.icicle import SHADES, blocks, full_shade, icicle
from windrow.tasks.report.facts import LEVEL_SQL, Level, read_levels, read_top_classes
from windrow.tasks.report.formats import count, decimal, duration, percent, plural
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.linked import Column, table, text
from windrow.tasks.report.map_sample import read_map
from windrow.tasks.report.questions import QUESTIONS

SHOTS = 18
PER_CLUSTER = 9
LEAST_MEMBERS = 4

POOL_SQL = "SELECT sample_id FROM pool ORDER BY md5(sample_id || $1), sample_id LIMIT $2"
FIRST_SQL = "SELECT sample_id FROM selection WHERE selected ORDER BY rank LIMIT $1"
OUTLIERS_SQL = """
SELECT sample_id, outlier_score FROM scores WHERE outlier_score IS NOT NULL
ORDER BY outlier_score DESC, sample_id LIMIT $1
"""
MEMBERS_SQL = """
WITH members AS (
    SELECT a.sample_id, a.distance, row_number() OVER (ORDER BY a.distance, a.sample_id) AS place, count(*) OVER () AS n
    FROM assignments a WHERE a.cluster_path[1] = $1
)
SELECT sample_id, distance, place, n FROM members WHERE place <= $2 OR place > n - $2 ORDER BY place
"""
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
CLASSES_SQL = """
SELECT classes[1] AS class, count(*) AS n FROM pool WHERE classes IS NOT NULL GROUP BY 1 ORDER BY n DESC, class
"""
STAGES_SQL = """
SELECT replace(stage, '_', ' ') AS stage, seconds, seconds / nullif(max(seconds) OVER (), 0) AS share, n_samples,
    CASE WHEN n_found = 0 AND seconds > 0 THEN n_samples / seconds END AS speed, n_outputs, n_found
FROM stages WHERE run_id = $1
"""
STAGES_ALL_SQL = """
SELECT sum(seconds) AS seconds, count(*) AS n, sum(n_outputs)::BIGINT AS n_outputs, sum(n_found)::BIGINT AS n_found
FROM stages WHERE run_id = $1
"""


def balanced(reported: Reported) -> Answer:
    """How even the set is, class by class."""
    return Answer({"balance": read_balance(reported.ask)})


def mapped(reported: Reported) -> Answer:
    """Where the curated set lies in the pool."""
    names = [name for name, _ in reported.ask.execute(CLASSES_SQL).fetchall()]
    balance = None if names else read_balance(reported.ask)
    order = names or ([share.name for share in balance.shares] if balance else [])
    found = read_map(reported.ask, reported.run, reported.seed, "" if names else "cluster ")
    drawn = embedding_map(found, order) if found else None
    return Answer({"map": found, "figure": drawn, "colours": found.colours(order) if found else {}, "by": bool(names)})


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
            Column("Effective number", "effective", _one),
            Column("Mean distance", "distance", _three),
            Column("Inertia", "inertia", _one),
        ),
    }
    return Answer(facts, {"inside": _inside(ask, levels)})


def glanced(reported: Reported) -> Answer:
    """What the pool and the set look like."""
    ask = reported.ask
    pool, first = ask.execute(POOL_SQL, [reported.salt, SHOTS]), ask.execute(FIRST_SQL, [SHOTS])
    strips = [
        Strip(title, one_each(Shot(name) for (name,) in rows.fetchall()), rows.anchor)
        for title, rows in (("Pool, at random", pool), ("Curated set, in the order of rank", first))
        if len(rows)
    ]
    meaning = f"{SHOTS} samples of the pool drawn at random, and the first {SHOTS} of the ranking."
    glance = Gallery("At a glance", meaning, tuple(strips), "The pool has no readable sample.")
    outliers = ask.execute(OUTLIERS_SQL, [SHOTS])
    shots = one_each(Shot(name, (f"score {decimal(score)}",)) for name, score in outliers.fetchall())
    meaning = "The samples farthest from their nearest neighbours: rare and valuable, or not meant to be here."
    strips = [Strip("", shots, outliers.anchor)] if shots else []
    far = Gallery("Outliers", meaning, tuple(strips), "There are no outlier scores in this run.")
    return Answer({}, {"glance": glance, "outliers": far})


def took(reported: Reported) -> Answer:
    """What the run took, by which config, and what to ask next."""
    ask, run = reported.ask, reported.run
    stages = ask.execute(STAGES_SQL, [run.run_id])
    told = table(
        stages,
        Column("Stage", "stage", text),
        Column("Time", "seconds", duration),
        Column("", "share", percent, "fill-curated"),
        Column("Samples", "n_samples"),
        Column("Samples/s", "speed", _rounded),
        Column("Outputs", "n_outputs"),
        Column("Found done", "n_found"),
    )
    config = json.dumps(run.config, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    total = ask.execute(STAGES_ALL_SQL, [run.run_id]).first()
    return Answer({"stages": told if len(stages) else None, "total": total, "config": config, "questions": QUESTIONS})


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


def _one(value: Any) -> str:
    return decimal(value, 1)


def _three(value: Any) -> str:
    return decimal(value, 3)


def _rounded(value: float) -> str:
    return count(round(value))
