"""Where the curated set lies in the pool."""

from __future__ import annotations

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.balance_facts import read_balance
from windrow.tasks.report.drawings.embedding_map import embedding_map
from windrow.tasks.report.map_sample import read_map

CLASSES_SQL = """
SELECT classes[1] AS class, count(*) AS n FROM pool WHERE classes IS NOT NULL GROUP BY 1 ORDER BY n DESC, class
"""


def mapped(reported: Reported) -> Answer:
    """Where the curated set lies in the pool."""
    names = [name for name, _ in reported.ask.execute(CLASSES_SQL).fetchall()]
    balance = None if names else read_balance(reported.ask)
    order = names or ([share.name for share in balance.shares] if balance else [])
    found = read_map(reported.ask, reported.run, reported.seed, "" if names else "cluster ")
    drawn = embedding_map(found, order) if found else None
    return Answer({"map": found, "figure": drawn, "colours": found.colours(order) if found else {}, "by": bool(names)})
