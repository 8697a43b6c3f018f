"""The file of pairs of a sample and a class to look at first, as `labels.given` reads it back: as states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from windrow.schemas.states import PRESENT, UNKNOWN
from windrow.tasks.labels.audits.audit_file import places_of, write_lines

COLUMNS = ("sample_id", "label", "state", "why", "source_uri", "shard", "key")
QUERY = "uncertain"
BESIDE = "not asked; without this line the vocabulary would make it absent"
# Of each class the least sure pairs, the classes in turn: those of which the fewest samples are known first.
ASKED_SQL = f"""
SELECT s.sample_id, s.label, s.probability FROM label_states s
JOIN pool p ON p.sample_id = s.sample_id JOIN state_classes c ON c.label = s.label
WHERE s.label_set = 'pseudo' AND (s.state = '{UNKNOWN}' OR s.annotator IN ('windrow', 'cdul'))
    AND s.probability IS NOT NULL AND p.rank IS NOT NULL
ORDER BY row_number() OVER (PARTITION BY s.label ORDER BY abs(s.probability - 0.5), s.sample_id),
    c.n_present + c.n_absent, s.label
LIMIT $1
"""
KNOWN_SQL = """
SELECT sample_id, list_concat(present, absent) FROM states
WHERE label_set = 'given' AND sample_id IN (SELECT unnest($1))
"""


def write_asked_states(path: Path, connection: Any, n: int, vocabulary: Sequence[str]) -> int:
    """Write the n pairs whose state teaches most, and return how many there are.

    That is of largest entropy: of which the run can say least whether the class is present, and nobody has said it. The
    column `state` says 'unknown' until somebody writes 'present' or 'absent'. vocabulary: `labels.multi.vocabulary` of
    the run, which would make all other classes of the samples absent; so these have lines of their own. Raises
    ValueError where there is no pair to ask for.
    """
    asked = connection.execute(ASKED_SQL, [n]).fetchall()
    if not asked:
        missing = "a class gets probabilities from two states that are known (the table state_classes says what is)"
        raise ValueError(f"no state with a probability is left to ask for; {missing}")
    rows = [(sample_id, label, UNKNOWN, f"{PRESENT} at {100 * share:.0f} %") for sample_id, label, share in asked]
    rows += _beside(connection, asked, vocabulary)
    places = places_of(connection, sorted({row[0] for row in rows}))
    write_lines(path, COLUMNS, [(*row, *places[row[0]]) for row in rows])
    return len(asked)


def _beside(
    connection: Any, asked: Sequence[tuple[str, str, float]], vocabulary: Sequence[str]
) -> list[tuple[str, str, str, str]]:
    """Lines for the classes of the vocabulary that are neither known of a sample nor asked for."""
    ids = list(dict.fromkeys(sample_id for sample_id, _, _ in asked))
    named = {(sample_id, label) for sample_id, label, _ in asked}
    for sample_id, known in connection.execute(KNOWN_SQL, [ids]).fetchall() if vocabulary else ():
        named |= {(sample_id, label) for label in known}
    pairs = ((sample_id, label) for sample_id in ids for label in vocabulary)
    return [(*pair, UNKNOWN, BESIDE) for pair in pairs if pair not in named]
