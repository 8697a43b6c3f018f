"""Galleries: which samples are worth a look, and what to say under each. Nothing is read here but tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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


POOL_SQL = "SELECT sample_id FROM samples ORDER BY md5(sample_id || $1), sample_id LIMIT $2"
FIRST_SQL = "SELECT sample_id, rank FROM selection WHERE selected ORDER BY rank LIMIT $1"

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
), largest AS (SELECT kept, n, 0 AS kind FROM groups ORDER BY n DESC, kept LIMIT $1),
doubtful AS (SELECT kept, n, 1 AS kind FROM groups ANTI JOIN largest USING (kept) ORDER BY least, kept LIMIT $1)
SELECT * FROM (FROM largest UNION ALL FROM doubtful) ORDER BY kind, n DESC, kept
"""
DROPPED_SQL = """
SELECT sample_id, similarity FROM selection WHERE dropped_by = 'near_duplicate' AND duplicate_of = $1
ORDER BY similarity, sample_id LIMIT $2
"""
DOUBT_SQL = """
SELECT l.sample_id, l.classes[1:$2], l.probabilities[1:$2], l.abstained
FROM labels l JOIN selection e USING (sample_id)
WHERE l.label_set = 'pseudo' AND e.selected AND len(l.classes) > 1 ORDER BY l.confidence, l.sample_id LIMIT $1
"""
OUTLIERS_SQL = """
SELECT sample_id, outlier_score FROM scores WHERE outlier_score IS NOT NULL
ORDER BY outlier_score DESC, sample_id LIMIT $1
"""


def pick_galleries(connection: Any, levels: Sequence[Level], seed: int) -> tuple[Gallery, ...]:
    """Choose the samples of every gallery; `levels` is finest first. The same seed chooses the same samples."""
    return (
        Gallery(
            "At a glance",
            f"{SHOTS} samples of the pool drawn at random, and the first {SHOTS} of the ranking.",
            _glance(connection, seed),
            "The pool has no readable sample.",
        ),
        Gallery(
            "Clusters from the inside",
            "The samples nearest to a centroid show what a cluster is about; the farthest show how far it reaches.",
            tuple(_clusters(connection, levels)),
            "There are no clusters in this run.",
        ),
        Gallery(
            "Near-duplicates",
            "The sample that was kept, then those dropped for it, least similar first: the largest groups, "
            "then the most doubtful ones.",
            tuple(_groups(connection)),
            "No near-duplicates were dropped.",
        ),
        Gallery(
            "Least certain labels",
            "Samples of the curated set whose most probable class is the least probable: where a look at the labels pays.",
            _strip("", [_doubtful(*row) for row in connection.execute(DOUBT_SQL, [SHOTS, TOP_CLASSES]).fetchall()]),
            "There are no pseudo-labels over two classes or more.",
        ),
        Gallery(
            "Outliers",
            "The samples farthest from their nearest neighbours: rare and valuable, or not meant to be here.",
            _strip(
                "",
                [
                    Shot(name, f"score {decimal(score)}")
                    for name, score in connection.execute(OUTLIERS_SQL, [SHOTS]).fetchall()
                ],
            ),
            "There are no outlier scores in this run.",
        ),
    )


def _strip(title: str, shots: list[Shot], more: int = 0) -> tuple[Strip, ...]:
    return (Strip(title, tuple(shots), more),) if shots else ()


def _glance(connection: Any, seed: int) -> tuple[Strip, ...]:
    pool = [Shot(name) for (name,) in connection.execute(POOL_SQL, [str(seed), SHOTS]).fetchall()]
    first = [Shot(name) for name, _ in connection.execute(FIRST_SQL, [SHOTS]).fetchall()]
    return _strip("Pool, at random", pool) + _strip("Curated set, in the order of rank", first)


def _clusters(connection: Any, levels: Sequence[Level]) -> Iterator[Strip]:
    """The largest, the median and the smallest cluster of those that have enough samples to look at."""
    sizes = levels[0].pool if levels else []
    least = LEAST_MEMBERS if len(sizes) and max(sizes) >= LEAST_MEMBERS else 1
    order = sorted((n for n in range(len(sizes)) if sizes[n] >= least), key=lambda n: (-sizes[n], n))
    chosen = {"Largest": 0, "Median": len(order) // 2, "Smallest": len(order) - 1}
    seen: set[int] = set()
    for word, place in chosen.items() if order else ():
        cluster = order[place]
        if cluster not in seen:
            seen.add(cluster)
            kept = f"{count(int(levels[0].curated[cluster]))} selected"
            yield from _cluster(connection, cluster, f"{word} cluster, number {cluster}", kept)


def _cluster(connection: Any, cluster: int, title: str, kept: str) -> Iterator[Strip]:
    rows = connection.execute(MEMBERS_SQL, [cluster, PER_CLUSTER]).fetchall()
    shots = [(place, n, Shot(name, f"distance {decimal(distance)}")) for name, distance, place, n in rows]
    n = shots[0][1] if shots else 0
    named = f"{title}: {plural(n, 'sample')}, {kept}"
    if n <= 2 * PER_CLUSTER:
        yield from _strip(f"{named}, nearest to the centroid first", [shot for _, _, shot in shots])
        return
    yield from _strip(f"{named}; nearest to the centroid", [shot for place, _, shot in shots if place <= PER_CLUSTER])
    farthest = [shot for place, _, shot in reversed(shots) if place > n - PER_CLUSTER]
    yield from _strip("The same cluster; farthest from the centroid", farthest)


def _groups(connection: Any) -> Iterator[Strip]:
    for kept, n, kind in connection.execute(GROUPS_SQL, [GROUPS]).fetchall():
        dropped = connection.execute(DROPPED_SQL, [kept, PER_GROUP]).fetchall()
        shots = [Shot(name, decimal(similarity, 3)) for name, similarity in dropped]
        what = "Doubtful" if kind else "Large"
        title = f"{what} group: 1 kept, {count(n)} dropped"
        yield Strip(title, (Shot(kept, "kept"), *shots), n - len(shots))


def _doubtful(sample_id: str, classes: list[str], probabilities: list[float], abstained: bool) -> Shot:
    guesses = "\n".join(
        f"{percent(float(share), 0)} {name}" for name, share in zip(classes, probabilities, strict=False)
    )
    return Shot(sample_id, guesses + ("\nabstained" if abstained else ""))
