"""Galleries: which samples are worth a look, and what to say under each. Nothing is read here but tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from windrow.tasks.report.facts import Level
from windrow.tasks.report.formats import count, decimal, percent, plural

SHOTS = 24
PER_CLUSTER = 12
LEAST_MEMBERS = 4
PER_GROUP = 11
GROUPS = 3
TOP_CLASSES = 3


@dataclass(frozen=True)
class Shot:
    """A sample to show, and the words under it."""

    sample_id: str
    caption: str = ""


@dataclass(frozen=True)
class Strip:
    """Samples side by side; `more` is how many of the same kind are not shown."""

    title: str
    shots: tuple[Shot, ...]
    more: int = 0


@dataclass(frozen=True)
class Gallery:
    """Strips under one heading. `absent` says why there is none."""

    title: str
    meaning: str
    strips: tuple[Strip, ...]
    absent: str


POOL_SQL = "SELECT sample_id FROM pool ORDER BY md5(sample_id || $1), sample_id LIMIT $2"
FIRST_SQL = "SELECT sample_id FROM selection WHERE selected ORDER BY rank LIMIT $1"

MEMBERS_SQL = """
WITH members AS (
    SELECT a.sample_id, a.distance, row_number() OVER (ORDER BY a.distance, a.sample_id) AS place, count(*) OVER () AS n
    FROM assignments a WHERE a.cluster_path[1] = $1
)
SELECT sample_id, distance, place, n FROM members WHERE place <= $2 OR place > n - $2 ORDER BY place
"""

# The largest groups, and those whose least similar member was closest to being kept.
GROUPS_SQL = """
WITH groups AS (
    SELECT duplicate_of AS kept, count(*) AS n, min(similarity) AS least
    FROM selection WHERE dropped_by = 'near_duplicate' AND duplicate_of IS NOT NULL GROUP BY 1
), largest AS (
    SELECT kept, n, 'Large' AS kind FROM groups ORDER BY n DESC, kept LIMIT $1
), doubtful AS (
    SELECT kept, n, 'Doubtful' AS kind FROM groups ANTI JOIN largest USING (kept) ORDER BY least, kept LIMIT $1
)
SELECT * FROM (FROM largest UNION ALL FROM doubtful) ORDER BY kind DESC, n DESC, kept
"""
DROPPED_SQL = """
SELECT sample_id, similarity FROM selection WHERE dropped_by = 'near_duplicate' AND duplicate_of = $1
ORDER BY similarity, sample_id LIMIT $2
"""
DOUBT_SQL = """
SELECT sample_id, classes[1:$2], probabilities[1:$2], abstained
FROM pool WHERE selected AND len(classes) > 1 ORDER BY confidence, sample_id LIMIT $1
"""
WRONG_SQL = """
SELECT q.sample_id, g.label, q.suggested_label, q.suggested_probability, count(*) OVER ()
FROM label_quality q JOIN labels g ON g.sample_id = q.sample_id AND g.label_set = 'given'
WHERE q.is_doubtful ORDER BY q.label_quality, q.sample_id LIMIT $1
"""
STRANGERS_SQL = """
SELECT sample_id, belonging, classes[1], probabilities[1] FROM pool WHERE belonging IS NOT NULL AND classes IS NOT NULL
ORDER BY belonging, confidence DESC, sample_id LIMIT $1
"""
OUTLIERS_SQL = """
SELECT sample_id, outlier_score FROM scores WHERE outlier_score IS NOT NULL
ORDER BY outlier_score DESC, sample_id LIMIT $1
"""


def pick_galleries(connection: Any, levels: Sequence[Level], seed: int) -> tuple[Gallery, ...]:
    """Choose the samples of every gallery; `levels` is finest first. The same seed chooses the same samples."""
    return (
        _glance(connection, seed),
        _clusters(connection, levels),
        _near_duplicates(connection),
        _doubts(connection),
        _wrong(connection),
        _strangers(connection),
        _outliers(connection),
    )


def _strips(title: str, shots: list[Shot]) -> tuple[Strip, ...]:
    return (Strip(title, tuple(shots)),) if shots else ()


def _glance(connection: Any, seed: int) -> Gallery:
    pool = [Shot(name) for (name,) in connection.execute(POOL_SQL, [str(seed), SHOTS]).fetchall()]
    first = [Shot(name) for (name,) in connection.execute(FIRST_SQL, [SHOTS]).fetchall()]
    meaning = f"{SHOTS} samples of the pool drawn at random, and the first {SHOTS} of the ranking."
    strips = _strips("Pool, at random", pool) + _strips("Curated set, in the order of rank", first)
    return Gallery("At a glance", meaning, strips, "The pool has no readable sample.")


def _doubts(connection: Any) -> Gallery:
    shots = [_doubtful(*row) for row in connection.execute(DOUBT_SQL, [SHOTS, TOP_CLASSES]).fetchall()]
    meaning = "Samples of the curated set whose first class is the least probable: where a look at the labels pays."
    absent = "There are no pseudo-labels over two classes or more."
    return Gallery("Least certain labels", meaning, _strips("", shots), absent)


def _doubtful(sample_id: str, classes: list[str], probabilities: list[float], abstained: bool) -> Shot:
    lines = [f"{percent(share, 0)} {name}" for name, share in zip(classes, probabilities, strict=False)]
    return Shot(sample_id, "\n".join([*lines, *(["abstained"] if abstained else [])]))


def _wrong(connection: Any) -> Gallery:
    rows = connection.execute(WRONG_SQL, [SHOTS]).fetchall()
    shots = [Shot(name, f"{given}?\n{percent(share, 0)} {better}") for name, given, better, share, _ in rows]
    meaning = (
        "The given label, and the class that a model which did not see it finds most probable; most doubtful first."
    )
    strips = (Strip("", tuple(shots), rows[0][-1] - len(rows)),) if rows else ()
    return Gallery("Labels that may be wrong", meaning, strips, "No given label is in doubt.")


def _strangers(connection: Any) -> Gallery:
    rows = connection.execute(STRANGERS_SQL, [SHOTS]).fetchall()
    shots = [Shot(name, f"{decimal(share, 3)}\nelse {percent(sure, 0)} {first}") for name, share, first, sure in rows]
    meaning = (
        "The samples farthest from every given label, by their belonging: candidates for a class that nobody named yet,"
        " of no class, or of a class's unlabelled kind."
    )
    return Gallery("Farthest from the labels", meaning, _strips("", shots), "Nothing was compared with given labels.")


def _outliers(connection: Any) -> Gallery:
    rows = connection.execute(OUTLIERS_SQL, [SHOTS]).fetchall()
    shots = [Shot(name, f"score {decimal(score)}") for name, score in rows]
    meaning = "The samples farthest from their nearest neighbours: rare and valuable, or not meant to be here."
    return Gallery("Outliers", meaning, _strips("", shots), "There are no outlier scores in this run.")


def _clusters(connection: Any, levels: Sequence[Level]) -> Gallery:
    strips = [
        strip
        for word, cluster in (_chosen_clusters(levels[0]) if levels else {}).items()
        for strip in _cluster(connection, levels[0], cluster, word)
    ]
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


def _cluster(connection: Any, level: Level, cluster: int, word: str) -> Iterator[Strip]:
    rows = connection.execute(MEMBERS_SQL, [cluster, PER_CLUSTER]).fetchall()
    shots = [(place, n, Shot(name, f"distance {decimal(distance)}")) for name, distance, place, n in rows]
    n = shots[0][1] if shots else 0
    kept = count(int(level.curated[cluster]))
    named = f"{word} cluster, number {cluster}: {plural(n, 'sample')}, {kept} selected"
    if n <= 2 * PER_CLUSTER:
        yield from _strips(f"{named}, nearest to the centroid first", [shot for _, _, shot in shots])
        return
    yield from _strips(f"{named}; nearest to the centroid", [shot for place, _, shot in shots if place <= PER_CLUSTER])
    farthest = [shot for place, _, shot in reversed(shots) if place > n - PER_CLUSTER]
    yield from _strips("The same cluster; farthest from the centroid", farthest)


def _near_duplicates(connection: Any) -> Gallery:
    groups = connection.execute(GROUPS_SQL, [GROUPS]).fetchall()
    meaning = (
        "The sample that was kept, then those dropped for it, least similar first; large groups, then doubtful ones."
    )
    strips = tuple(_group(connection, *group) for group in groups)
    return Gallery("Near-duplicates", meaning, strips, "No near-duplicates were dropped.")


def _group(connection: Any, kept: str, n: int, kind: str) -> Strip:
    dropped = connection.execute(DROPPED_SQL, [kept, PER_GROUP]).fetchall()
    shots = [Shot(name, decimal(similarity, 3)) for name, similarity in dropped]
    title = f"{kind} group: 1 kept, {count(n)} dropped"
    return Strip(title, (Shot(kept, "kept"), *shots), n - len(shots))
