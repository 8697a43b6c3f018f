"""The labels of a run in numbers, and drawn."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from reported_store import CLASSES, Store

from windrow.tasks.report.answers.answer import Reported
from windrow.tasks.report.answers.weak_labels import weak_labels
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawings.label_curve import label_curve
from windrow.tasks.report.gallery import Strip
from windrow.tasks.report.label_facts import LabelFacts, read_checked_labels, read_label_facts
from windrow.tasks.storage.catalog.views import connect_run

# (sample, label set, first class, confidence, abstained)
ROWS = [
    ("a", "given", "cat", 1.0, False),
    ("a", "pseudo", "cat", 1.0, False),
    ("b", "pseudo", "cat", 0.9, False),
    ("c", "pseudo", "cat", 0.3, True),
    ("d", "pseudo", "dog", 0.8, False),
    ("e", "pseudo", "dog", 0.5, True),
]

POOL = """
CREATE OR REPLACE TEMP VIEW pool AS
SELECT p.*, g.label AS given_label, b.belonging, false AS selected, label_quality, is_doubtful, suggested_label
FROM (SELECT * FROM labels WHERE label_set = 'pseudo') p
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
LEFT JOIN belonging b USING (sample_id)
LEFT JOIN label_quality q USING (sample_id)
"""


def connected(store: Store, rows: list[tuple[str, str, str, float, bool]], method: str = "made up") -> Any:
    names = ("sample_id", "label_set", "first", "confidence", "abstained")
    table = pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)})
    connection = connect_run(store.run.store).cursor()
    connection.register("rows_of_labels", table)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW labels AS SELECT sample_id, label_set, [first] AS classes, confidence, abstained,"
        " [confidence] AS probabilities,"
        f" CASE WHEN abstained THEN NULL ELSE first END AS label, '{method}' AS method FROM rows_of_labels"
    )
    connection.execute(POOL)
    return connection


@pytest.fixture
def facts(store: Store) -> LabelFacts:
    connection = connected(store, ROWS)
    connection.execute(
        "CREATE TEMP VIEW belonging AS SELECT unnest([0.02, 0.01, 0.5])::FLOAT AS belonging, 'z' AS sample_id"
    )
    found = read_label_facts(connection, 0.02)
    assert found is not None
    return found


def test_given_labels_count_apart_and_abstained_samples_under_what_they_would_have_been(facts: LabelFacts) -> None:
    cat, dog = facts.classes
    assert (cat.name, cat.n_given, cat.n_labelled, cat.n_abstained) == ("cat", 1, 1, 1)
    assert (dog.name, dog.n_given, dog.n_labelled, dog.n_abstained) == ("dog", 0, 1, 1)
    assert (facts.n_given, facts.n_labelled, facts.n_unlabelled) == (1, 2, 4)
    assert (facts.coverage, facts.n_refused) == (0.5, 2)
    assert facts.confidence == pytest.approx(0.85)


def test_the_curve_goes_from_the_surest_to_all_that_came_without_a_label(facts: LabelFacts) -> None:
    coverage, confidence = zip(*facts.curve, strict=True)
    assert coverage == (0.25, 0.5, 0.75, 1.0)
    assert confidence == pytest.approx((0.9, 0.85, 2.2 / 3, 2.5 / 4))


def test_the_curve_is_drawn_with_a_dot_where_the_policy_is(facts: LabelFacts) -> None:
    drawn = label_curve(facts)
    assert "this run: 50.0% at 85.0%" in drawn and drawn.count("<circle") == 1
    none = tuple(replace(each, n_labelled=0, confidence=None) for each in facts.classes)
    assert "<circle" not in label_curve(replace(facts, classes=none))


def test_a_pool_without_labels_has_no_facts(store: Store) -> None:
    assert read_label_facts(connected(store, [])) is None


def test_a_pool_whose_labels_were_all_given_has_no_curve(store: Store) -> None:
    found = read_label_facts(connected(store, ROWS[:2]))
    assert found is not None and found.curve == () and found.n_unlabelled == 0
    assert str(found.coverage) == str(found.confidence) == "nan"


def strip_of(store: Store, connection: Any, gallery: str) -> Strip:
    (strip,) = weak_labels(Reported(store.run, Asked(connection, "r", "here"), 0)).galleries[gallery].strips
    return strip


def test_labels_in_doubt_are_shown_with_what_is_more_probable_the_most_doubtful_first(store: Store) -> None:
    connection = connected(store, [(name, "given", CLASSES[0], 1.0, False) for name in "abc"])
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW label_quality AS SELECT * FROM (VALUES ('a', 0.5, true, 'hen', 0.7),"
        " ('b', 0.1, true, 'dog', 0.9), ('c', 0.9, false, 'cat', 0.9))"
        " AS t(sample_id, label_quality, is_doubtful, suggested_label, suggested_probability)"
    )
    shots = strip_of(store, connection, "doubtful").shots
    assert [(shot.sample_id, *shot.lines) for shot in shots] == [
        ("b", "given cat", "90% dog"),
        ("a", "given cat", "70% hen"),
    ]


def test_samples_far_from_every_label_are_shown_the_farthest_first(store: Store) -> None:
    connection = connected(store, ROWS)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW belonging AS SELECT * FROM (VALUES ('b', 0.5), ('c', 0.01), ('d', 0.01))"
        " AS t(sample_id, belonging)"
    )
    strip = strip_of(store, connection, "strangers")
    assert [shot.sample_id for shot in strip.shots] == ["d", "c", "b"]
    assert strip.shots[0].lines == ("0.010", "else 80% dog")


def test_doubts_are_told_with_the_held_out_accuracy_of_who_has_them(store: Store) -> None:
    connection = connected(store, [(name, "given", CLASSES[0], 1.0, False) for name in "abcd"])
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW label_quality AS SELECT * FROM (VALUES ('a', true, 'hen'), ('b', false, 'hen'),"
        f" ('c', false, '{CLASSES[0]}'), ('d', false, '{CLASSES[0]}')) AS t(sample_id, is_doubtful, suggested_label)"
    )
    found = read_checked_labels(connection)
    assert found is not None and (found.n_checked, found.n_doubtful, found.accuracy) == (4, 1, 0.5)
    assert found.sentence == ("Given labels: 1 of 4 in doubt, by a model whose held-out accuracy on them is 50.0%")


def test_labels_that_nobody_checked_are_not_told_of(store: Store) -> None:
    connection = connected(store, [])
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW label_quality AS SELECT * FROM (VALUES ('a', true, 'hen'))"
        " AS t(sample_id, is_doubtful, suggested_label) WHERE false"
    )
    assert read_checked_labels(connection) is None
