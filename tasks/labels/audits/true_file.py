"""What a label set predicts of the samples of a file of true labels, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.schemas.states import ABSENT, PRESENT
from windrow.tasks.labels.audits.audited_set import check_label_set
from windrow.tasks.labels.label_file import WANTED, WITH_STATES, Tally, load_label_file
from windrow.tasks.labels.states.multi_label_config import OF_FILE
from windrow.tasks.labels.states.one_class import several_classes

TRUE_LABELS_SQL = """
SELECT sample_id, min(label) AS label, count(DISTINCT label) AS n FROM file_labels GROUP BY sample_id
"""
TRUE_STATES_SQL = """
SELECT sample_id, label, min(said) AS state, count(DISTINCT said) AS n
FROM (SELECT *, coalesce(state, 'present') AS said FROM file_labels WHERE label IS NOT NULL)
WHERE said <> 'unknown' GROUP BY sample_id, label
"""
# Of an image all categories of its file were looked for.
ABSENT_SQL = """
INSERT INTO truth SELECT sample_id, label, 'absent', 1
FROM (SELECT DISTINCT sample_id FROM file_labels)
CROSS JOIN (SELECT DISTINCT label FROM file_classes WHERE label IS NOT NULL) ANTI JOIN truth USING (sample_id, label)
"""
# What would be the label where a set abstains is the first of its classes.
LABELS_SQL = """
SELECT NULL AS state, l.classes[1] = t.label AS correct, l.confidence, l.abstained
FROM labels l JOIN truth t USING (sample_id)
WHERE l.label_set = $1 AND ($1 = 'given' OR sample_id NOT IN (SELECT sample_id FROM labels WHERE label_set = 'given'
AND label IS NOT NULL))
"""
# What would be the state where nothing is said is the likelier one; of some pairs not even a probability is kept.
STATES_SQL = """
WITH given AS (SELECT sample_id, list_concat(present, absent) AS labels FROM states WHERE label_set = 'given'),
predicted AS (
    SELECT t.state AS truth, coalesce(l.state, CASE WHEN v.label IS NULL THEN 'unknown' ELSE 'absent' END) AS said,
           CASE WHEN l.label IS NULL THEN v.probability ELSE l.probability END AS p
    FROM truth t
    LEFT JOIN (SELECT * FROM label_states WHERE label_set = $1) l USING (sample_id, label)
    LEFT JOIN (SELECT * FROM looked_for WHERE label_set = $1) k USING (sample_id)
    LEFT JOIN (SELECT * FROM vocabularies WHERE label_set = $1) v ON v.vocabulary = k.vocabulary AND v.label = t.label
    LEFT JOIN given g USING (sample_id)
    WHERE $1 = 'given' OR NOT list_contains(coalesce(g.labels, []), t.label)
),
decided AS (
    SELECT *, said = 'present' OR said = 'unknown' AND p >= 0.5 AS is_present FROM predicted WHERE p IS NOT NULL
)
SELECT CASE WHEN is_present THEN 'present' ELSE 'absent' END AS state, is_present = (truth = 'present') AS correct,
       CASE WHEN is_present THEN p ELSE 1 - p END AS confidence, said = 'unknown' AS abstained
FROM decided
"""


@dataclass(frozen=True)
class Predicted:
    """Predictions (m,) of which the truth is known: correct and abstained, bool; confidence, float32.

    state: of pairs of a sample and a class, 'present' or 'absent', whichever is said or likelier; None of samples of
    one class.
    """

    state: str | None
    correct: npt.NDArray[np.bool_]
    confidence: npt.NDArray[Any]
    abstained: npt.NDArray[np.bool_]


def read_predicted(connection: Any, truth: Path, label_set: str, all_looked_for: bool) -> tuple[Tally, list[Predicted]]:
    """Hold a label set of the catalog's run against a file of true labels, or of states: present ones, absent ones.

    `all_looked_for`: in a file in COCO's format that says of nothing that it is absent, what an image lacks is.
    What was given is left out, but for the set 'given'. Raises ValueError as `load_label_file` does, where the file
    says two things of a sample (and class), where none of it is predicted, and where all of it is of one state.
    """
    several = several_classes(connection)
    check_label_set(connection, label_set)
    tally = load_label_file(connection, str(truth), "TRUTH", WITH_STATES if several else WANTED)
    connection.execute(f"CREATE TABLE truth AS {TRUE_STATES_SQL if several else TRUE_LABELS_SQL}")
    if several and all_looked_for and tally.images and not tally.images.n_absent:
        connection.execute(ABSENT_SQL)
    twice = connection.execute("SELECT sample_id, label FROM truth WHERE n > 1 ORDER BY ALL").fetchone()
    if twice:
        of = f"state of {twice[1]!r}" if several else "label"
        raise ValueError(f"{truth} has more than one {of} for sample {twice[0]}")
    found = connection.execute(STATES_SQL if several else LABELS_SQL, [label_set]).fetchnumpy()
    state, correct, confidence, abstained = (np.ma.getdata(values) for values in found.values())
    if not len(correct):
        unit, of = ("pairs", "a given state") if several else ("samples", "a given label")
        raise ValueError(
            f"{truth} names none of the {unit} that {label_set!r} labels, but for those with {of} ({tally})"
        )
    if several:
        _check_both(truth, np.unique((state == PRESENT) == correct.astype(np.bool_)), len(correct))
    parts = [(each, state == each) for each in (PRESENT, ABSENT)] if several else [(None, np.ones(len(correct), bool))]
    return tally, [
        Predicted(each, correct[rows].astype(np.bool_), confidence[rows], abstained[rows].astype(np.bool_))
        for each, rows in parts
    ]


def _check_both(truth: Path, are_present: npt.NDArray[np.bool_], n: int) -> None:
    """Raise ValueError where all pairs (n) are truly of one state: what is predicted would not matter."""
    if len(are_present) == 1:
        state = PRESENT if are_present[0] else ABSENT
        raise ValueError(
            f"{truth} says of all {n:,} pairs to be judged that they are {state}, and then whatever is predicted to be"
            f" {state} is right and all else is wrong: state {PRESENT} and {ABSENT} ones (in COCO's format by"
            f" neg_category_ids, or with labels.multi.vocabulary: {OF_FILE} of the run, by which the categories that an"
            " image lacks are absent)"
        )
