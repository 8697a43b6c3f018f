"""What a run did, in numbers: each is an aggregate that DuckDB computes, so the pool never comes into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

# In the order in which an occurrence meets them: (what takes it away, what is left after that).
STEPS = (
    ("unreadable", "readable"),
    ("duplicate", "distinct"),
    ("not_embedded", "embedded"),
    ("filtered", "after filters"),
    ("near_duplicate", "after near-duplicates"),
    ("not_selected", "selected"),
    ("gone", "exported"),
)
REASONS_SHOWN = 4
_UNSAID = {"not_selected": "ranked beyond the target size"}

OUTCOMES_SQL = """
SELECT CASE WHEN u.outcome <> 'unreadable' OR o.unreadable IS NOT NULL THEN u.outcome
            WHEN e.error IS NOT NULL THEN 'not_embedded' ELSE 'gone' END AS step,
       CASE WHEN u.outcome <> 'near_duplicate' OR s.similarity IS NULL THEN u.reason
            ELSE format('cosine similarity {:.2f} or more', floor(s.similarity * 100 + 1e-4) / 100) END AS why,
       count(*) AS n
FROM outcomes u
LEFT JOIN occurrences o USING (occurrence_id)
LEFT JOIN (SELECT sample_id, error FROM embeddings WHERE error IS NOT NULL) e ON e.sample_id = u.sample_id
LEFT JOIN selection s ON s.sample_id = u.sample_id
GROUP BY ALL ORDER BY n DESC, why
"""

# The class of a sample is its most probable one, whether it abstained or not, as in the run's summary.
CLASSES_SQL = """
SELECT classes[1], count(*), count(*) FILTER (selected) FROM pool WHERE classes IS NOT NULL GROUP BY 1
"""
COARSEST_SQL = """
SELECT 'cluster ' || cluster_path[-1], count(*), count(*) FILTER (selected)
FROM pool WHERE cluster_path IS NOT NULL GROUP BY 1
"""
LEVEL_SQL = """
SELECT c.cluster_id, coalesce(c.parent_id, -1) AS parent_id, c.n_samples, coalesce(s.n, 0) AS n_selected
FROM clusters c LEFT JOIN (
    SELECT a.cluster_path[$1] AS cluster_id, count(*) AS n
    FROM assignments a JOIN selection e USING (sample_id) WHERE e.selected GROUP BY 1
) s USING (cluster_id)
WHERE c.level = $1 ORDER BY c.cluster_id
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
class Share:
    """A class and its samples in the pool and in the curated set."""

    name: str
    pool: int
    curated: int


@dataclass(frozen=True)
class Balance:
    """The classes, largest of the pool first. `kind` says what they are: 'class' or 'cluster'."""

    kind: str
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Level:
    """The clusters of a level, by number: their parents (-1 at the top), and their samples in pool and curated set."""

    number: int
    parents: Counts
    pool: Counts
    curated: Counts


@dataclass(frozen=True)
class Stage:
    """What a stage took, and how many of its outputs it found done."""

    name: str
    seconds: float
    n_outputs: int
    n_found: int
    n_samples: int


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
        left -= taken
        steps.append(Step(taken_as, left_as, taken, left, tuple(reasons)))
    exported = sum(n for step, _, n in rows if step == "exported")
    if left != exported:
        raise RuntimeError(f"table outcomes: {left} occurrences are left and {exported} exported")
    return tuple(steps) if rows else ()


def read_balance(connection: Any) -> Balance | None:
    """Return the balance of classes, or of the coarsest clusters where there is no label set 'pseudo'; else None."""
    rows = connection.execute(CLASSES_SQL).fetchall()
    methods = connection.execute("SELECT DISTINCT method FROM labels WHERE label_set = 'pseudo'").fetchall()
    kind = "cluster" if any(method.startswith("hierarchical k-means") for (method,) in methods) else "class"
    if kind == "cluster":
        rows = [(f"cluster {name}", *counts) for name, *counts in rows]
    if not rows:
        kind, rows = "cluster", connection.execute(COARSEST_SQL).fetchall()
    rows.sort(key=lambda row: (-row[1], row[0]))
    return Balance(kind, tuple(Share(*row) for row in rows)) if rows else None


def read_levels(connection: Any) -> tuple[Level, ...]:
    """Return the levels of the hierarchy, finest first."""
    numbers = connection.execute("SELECT DISTINCT level FROM clusters ORDER BY level").fetchall()
    levels = []
    for (number,) in numbers:
        found = connection.execute(LEVEL_SQL, [number]).fetchnumpy()
        parents, pool, curated = (np.asarray(found[name]) for name in ("parent_id", "n_samples", "n_selected"))
        levels.append(Level(number, parents.astype(np.int64), pool.astype(np.int64), curated.astype(np.int64)))
    return tuple(levels)


def read_stages(connection: Any, run_id: str) -> tuple[Stage, ...]:
    """Return the stages of a run, in the order in which they ran."""
    sql = "SELECT stage, seconds, n_outputs, n_found, n_samples FROM stages WHERE run_id = ?"
    return tuple(Stage(*row) for row in connection.execute(sql, [run_id]).fetchall())
