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

OUTCOMES_SQL = """
SELECT CASE WHEN u.outcome <> 'unreadable' OR o.unreadable IS NOT NULL THEN u.outcome
            WHEN e.error IS NOT NULL THEN 'not_embedded' ELSE 'gone' END AS step,
       CASE WHEN u.outcome <> 'near_duplicate' OR s.similarity IS NULL THEN u.reason
            ELSE format('cosine similarity {:.2f} to {:.2f}', s.band, s.band + s.width) END AS why,
       count(*) AS n
FROM outcomes u
LEFT JOIN (SELECT occurrence_id, unreadable FROM occurrences WHERE unreadable IS NOT NULL) o USING (occurrence_id)
LEFT JOIN (SELECT sample_id, error FROM embeddings WHERE error IS NOT NULL) e ON e.sample_id = u.sample_id
LEFT JOIN (
    SELECT sample_id, similarity, CASE WHEN similarity < 0.95 THEN 0.05 ELSE 0.01 END AS width,
           least(floor(similarity / width + 1e-4) * width, 0.99) AS band
    FROM selection WHERE similarity IS NOT NULL
) s ON s.sample_id = u.sample_id
GROUP BY ALL ORDER BY n DESC, why
"""

# Every reason has its first example before any has its second.
UNREADABLE_SQL = """
SELECT u.reason, o.source_uri, o.shard, o.key
FROM outcomes u JOIN occurrences o USING (occurrence_id) WHERE u.outcome = 'unreadable'
ORDER BY row_number() OVER (PARTITION BY u.reason ORDER BY o.source_uri, o.shard, o.position), u.reason LIMIT $1
"""


@dataclass(frozen=True)
class Step:
    """A step of the funnel: `taken` occurrences go, for these `reasons` (reason, number), and `left` remain."""

    taken_as: str
    left_as: str
    taken: int
    left: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Unreadable:
    """An occurrence that cannot be used: why, and where it lies."""

    reason: str
    source_uri: str
    shard: str
    key: str


def read_funnel(connection: Any) -> tuple[Step, ...]:
    """Return the steps from all occurrences to the exported ones; none when the run has no outcomes yet.

    Every occurrence is taken once or is left at the end. Raises RuntimeError when they do not add up.
    """
    rows = connection.execute(OUTCOMES_SQL).fetchall()
    left = sum(n for _, _, n in rows)
    steps = []
    for taken_as, left_as in STEPS:
        reasons = [(why or _UNSAID.get(taken_as, "no reason given"), n) for step, why, n in rows if step == taken_as]
        taken = sum(n for _, n in reasons)
        if taken_as in _RARE and not taken:
            continue
        left -= taken
        steps.append(Step(taken_as, left_as, taken, left, tuple(reasons)))
    exported = sum(n for step, _, n in rows if step == "exported")
    if left != exported:
        raise RuntimeError(f"table outcomes: {left} occurrences are left and {exported} exported")
    return tuple(steps) if rows else ()


def read_unreadable(connection: Any, n: int) -> tuple[Unreadable, ...]:
    """Return up to `n` unreadable occurrences, of as many different reasons as there are."""
    return tuple(Unreadable(*row) for row in connection.execute(UNREADABLE_SQL, [n]).fetchall())
