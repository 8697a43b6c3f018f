"""What the pool and the set look like."""

from __future__ import annotations

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.formats import decimal
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each

SHOTS = 18
POOL_SQL = "SELECT sample_id FROM pool ORDER BY md5(sample_id || $1), sample_id LIMIT $2"
FIRST_SQL = "SELECT sample_id FROM selection WHERE selected ORDER BY rank LIMIT $1"
OUTLIERS_SQL = """
SELECT sample_id, outlier_score FROM scores WHERE outlier_score IS NOT NULL
ORDER BY outlier_score DESC, sample_id LIMIT $1
"""


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
