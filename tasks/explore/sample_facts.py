"""What the explorer shows of one sample: its facts, neighbours, near-duplicates and corrections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from windrow.tasks.corrections.correction_list import read_standing
from windrow.tasks.explore.explored_store import ExploredStore
from windrow.tasks.texts.uris import shown_uri

MOST_TWINS = 24
MOST_CLASSES = 9

FACTS_SQL = """
SELECT key, source_uri, shard, format, width, height, cluster_path, label, given_label, confidence, classes,
    probabilities, label_quality, is_doubtful, suggested_label, outlier_score, belonging, rank, selected, dropped_by,
    duplicate_of, similarity, split, license
FROM pool WHERE sample_id = $1
"""
NEIGHBORS_SQL = "SELECT neighbors, similarity FROM neighbors WHERE sample_id = $1"
TWINS_SQL = """
SELECT sample_id, similarity FROM selection
WHERE duplicate_of = coalesce((SELECT duplicate_of FROM selection WHERE sample_id = $1), $1) AND sample_id <> $1
ORDER BY similarity DESC, sample_id LIMIT $2
"""
CLASSES_SQL = """
SELECT name FROM (
    SELECT label AS name FROM pool UNION ALL SELECT given_label FROM pool UNION ALL SELECT name FROM class_names
    UNION ALL SELECT label FROM state_classes
) WHERE name IS NOT NULL GROUP BY name ORDER BY count(*) DESC, name LIMIT 5000
"""


def sample_facts(explored: ExploredStore, row: int) -> dict[str, Any]:
    """Return what is known of the sample of a row, as JSON; other samples are told by their rows.

    Raises ValueError for a row that is none.
    """
    sample_id = explored.sample_id(row)
    with explored.connection() as connection:
        relation = connection.execute(FACTS_SQL, [sample_id])
        names = [column[0] for column in relation.description]
        facts = dict(zip(names, relation.fetchone() or [None] * len(names), strict=True))
        near = connection.execute(NEIGHBORS_SQL, [sample_id]).fetchone() or ((), ())
        twins = connection.execute(TWINS_SQL, [sample_id, MOST_TWINS]).fetchall()
    if facts["source_uri"] is not None:
        facts["source_uri"] = shown_uri(facts["source_uri"])
    kept = facts["duplicate_of"]
    if kept is not None:
        twins = [(kept, facts["similarity"]), *twins]
    found = {
        "row": row,
        "sample_id": sample_id,
        **{name: _plain(value) for name, value in facts.items()},
        "neighbors": [[int(place), _plain(like)] for place, like in zip(*near, strict=True)],
        "twins": _with_rows(explored, twins),
        "corrections": corrections_of(explored, sample_id),
    }
    for name in ("classes", "probabilities"):
        found[name] = [_plain(value) for value in (facts[name] or ())[:MOST_CLASSES]]
    return found


def class_names(explored: ExploredStore) -> list[str]:
    """Return the classes that samples of the run have, or that its config names; the most frequent first."""
    with explored.connection() as connection:
        return [name for (name,) in connection.execute(CLASSES_SQL).fetchall()]


def corrections_of(explored: ExploredStore, sample_id: str | None = None) -> list[dict[str, Any]]:
    """Return the corrections that stand, of one sample or of all that are on the map, as JSON with their rows.

    `taken`: whether the run took it.
    """
    rows = read_standing(explored.store).to_pylist()
    found = [each for each in rows if sample_id in (None, each["sample_id"])]
    places = explored.rows_of([each["sample_id"] for each in found]).tolist()
    with explored.connection() as connection:
        taken = {number for (number,) in connection.execute("SELECT number FROM taken_corrections").fetchall()}
    told = (_told(each, place, each["number"] in taken) for each, place in zip(found, places, strict=True))
    return [each for each in told if each["row"] >= 0]


def _told(row: Mapping[str, Any], place: int, taken: bool) -> dict[str, Any]:
    kept = {name: row[name] for name in ("number", "sample_id", "kind", "value", "other_sample_id", "who", "why")}
    return {**kept, "row": place, "taken": taken}


def _with_rows(explored: ExploredStore, pairs: Sequence[tuple[str, float | None]]) -> list[list[Any]]:
    places = explored.rows_of([name for name, _ in pairs]).tolist()
    return [[place, _plain(like)] for place, (_, like) in zip(places, pairs, strict=True) if place >= 0]


def _plain(value: Any) -> Any:
    """JSON has no number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
