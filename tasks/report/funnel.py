"""The funnel: what was taken from the occurrences at each step, and why, so that nothing vanishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# In the order in which an occurrence meets them: (what takes it away, what is left after that).
STEPS = (
    ("forgotten", "not forgotten"),
    ("unreadable", "readable"),
    ("duplicate", "distinct"),
    ("not_embedded", "embedded"),
    ("held_out", "not held out"),
    ("filtered", "after filters"),
    ("near_duplicate", "after near-duplicates"),
    ("not_selected", "selected"),
    ("not_published", "published"),
    ("gone", "exported"),
)
_RARE = ("forgotten", "held_out", "not_published")  # few runs have any
_UNSAID = {"not_selected": "ranked beyond the target size", "held_out": "kept apart to judge the set by"}

TAKEN_SQL = """
SELECT u.*, CASE WHEN u.outcome <> 'unreadable' OR o.unreadable IS NOT NULL THEN u.outcome
    WHEN e.error IS NOT NULL THEN 'not_embedded' ELSE 'gone' END AS step
FROM outcomes u
LEFT JOIN (SELECT occurrence_id, unreadable FROM occurrences WHERE unreadable IS NOT NULL) o USING (occurrence_id)
LEFT JOIN (SELECT sample_id, error FROM embeddings WHERE error IS NOT NULL) e ON e.sample_id = u.sample_id
"""
# What is left after a step is what the later ones take, and what is exported.
STEPS_SQL = f"""
SELECT step, coalesce(n, 0) AS taken,
    (coalesce(sum(n) OVER (), 0) - sum(coalesce(n, 0)) OVER (ORDER BY place))::BIGINT AS remain
FROM (SELECT unnest($1) AS step, unnest(range({len(STEPS)} + 1)) AS place)
LEFT JOIN (SELECT step, count(*) AS n FROM ({TAKEN_SQL}) GROUP BY step) USING (step) ORDER BY place
"""
ALL_SQL = "SELECT count(*) AS n FROM outcomes"
REASONS_SQL = f"""
SELECT step, CASE WHEN t.outcome <> 'near_duplicate' OR s.similarity IS NULL THEN t.reason
    ELSE format('cosine similarity {{:.2f}} to {{:.2f}}', s.band, s.band + s.width) END AS why, count(*) AS n
FROM ({TAKEN_SQL}) t
LEFT JOIN (
    SELECT sample_id, similarity, CASE WHEN similarity < 0.95 THEN 0.05 ELSE 0.01 END AS width,
        least(floor(similarity / width + 1e-4) * width, 0.99) AS band
    FROM selection WHERE similarity IS NOT NULL
) s ON s.sample_id = t.sample_id
WHERE step <> 'exported' GROUP BY ALL ORDER BY n DESC, why
"""


@dataclass(frozen=True)
class Step:
    """A step of the funnel: `taken` occurrences go, for these `reasons` (reason, number), and `left` remain."""

    taken_as: str
    left_as: str
    taken: int
    left: int
    reasons: tuple[tuple[str, int], ...]


def read_funnel(connection: Any) -> tuple[int, tuple[Step, ...]]:
    """Return how many occurrences there are, and the steps to the exported ones; none when the run has no outcomes yet.

    Every occurrence is taken once or is left at the end. Raises RuntimeError when they do not add up.
    """
    order = [*(taken_as for taken_as, _ in STEPS), "exported"]
    rows = connection.execute(STEPS_SQL, [order]).fetchall()
    reasons = connection.execute(REASONS_SQL).fetchall()
    (total,) = connection.execute(ALL_SQL).fetchone()
    if sum(taken for _, taken, _ in rows) != total:
        raise RuntimeError(f"table outcomes: not every one of {total} occurrences is exported, or taken by one step")
    steps = []
    for (taken_as, left_as), (_, taken, left) in zip(STEPS, rows, strict=False):
        if taken or taken_as not in _RARE:
            why = (
                (told or _UNSAID.get(taken_as, "no reason given"), n) for step, told, n in reasons if step == taken_as
            )
            steps.append(Step(taken_as, left_as, taken, left, tuple(why)))
    return total, tuple(steps) if total else ()
