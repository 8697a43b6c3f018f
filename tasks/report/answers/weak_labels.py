"""Where labels are weak: classes by held-out accuracy and coverage, doubts, and what to look at first."""

from __future__ import annotations

from markupsafe import Markup

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.cited import Asked, Rows
from windrow.tasks.report.drawings.label_curve import label_curve
from windrow.tasks.report.formats import decimal, decimals, percent
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.label_facts import read_label_facts
from windrow.tasks.report.linked import Column, table, text
from windrow.tasks.report.state_facts import read_states

SHOTS = 18
TOP_CLASSES = 3
CLASSES_SHOWN = 30

ALL_SQL = """
SELECT count(*) FILTER (label_quality IS NOT NULL) AS n_checked, count(*) FILTER (is_doubtful) AS n_doubtful,
    avg((suggested_label = given_label)::INT) FILTER (label_quality IS NOT NULL) AS accuracy,
    count(given_label) AS n_given, count(*) FILTER (given_label IS NULL AND classes IS NOT NULL) AS n_unlabelled,
    count(*) FILTER (given_label IS NULL AND NOT abstained) AS n_labelled,
    count(*) FILTER (given_label IS NULL AND NOT abstained)
        / nullif(count(*) FILTER (given_label IS NULL AND classes IS NOT NULL), 0) AS coverage,
    avg(confidence) FILTER (given_label IS NULL AND NOT abstained) AS confidence
FROM pool
"""
# Wilson's interval of 95 % (Journal of the American Statistical Association 22, 1927). The weakest class is the one of
# which the least is sure: what nothing was checked of comes first.
CLASSES_SQL = """
WITH checked AS (
    SELECT given_label AS class, count(*) AS n, avg((suggested_label = given_label)::INT) AS p,
        count(*) FILTER (is_doubtful) AS n_doubtful
    FROM pool WHERE label_quality IS NOT NULL AND given_label IS NOT NULL GROUP BY 1
), labelled AS (
    SELECT classes[1] AS class, count(given_label) AS n_given,
        count(*) FILTER (given_label IS NULL) AS n_unlabelled,
        count(*) FILTER (given_label IS NULL AND NOT abstained) AS n_labelled,
        avg(confidence) FILTER (given_label IS NULL AND NOT abstained) AS confidence
    FROM pool WHERE classes IS NOT NULL GROUP BY 1
)
SELECT class, coalesce(n_given, 0) AS n_given, coalesce(n, 0) AS n_checked, p AS accuracy,
    (p + 1.9208 / n - 1.96 * sqrt(p * (1 - p) / n + 0.9604 / n ** 2)) / (1 + 3.8416 / n) AS low,
    (p + 1.9208 / n + 1.96 * sqrt(p * (1 - p) / n + 0.9604 / n ** 2)) / (1 + 3.8416 / n) AS high,
    coalesce(n_doubtful, 0) AS n_doubtful, coalesce(n_unlabelled, 0) AS n_unlabelled,
    n_labelled / nullif(n_unlabelled, 0) AS coverage, confidence, count(*) OVER () AS n_classes
FROM labelled FULL JOIN checked USING (class) ORDER BY low NULLS FIRST, coverage, class LIMIT $1
"""
METHODS_SQL = "SELECT DISTINCT method FROM labels WHERE label_set = 'pseudo' ORDER BY 1"
WRONG_SQL = """
SELECT q.sample_id, g.label, q.suggested_label, q.suggested_probability, count(*) OVER () AS n
FROM label_quality q JOIN labels g ON g.sample_id = q.sample_id AND g.label_set = 'given'
WHERE q.is_doubtful ORDER BY q.label_quality, q.sample_id LIMIT $1
"""
DOUBT_SQL = """
SELECT sample_id, classes[1:$2] AS classes, probabilities[1:$2] AS probabilities, abstained
FROM pool WHERE selected AND len(classes) > 1 ORDER BY confidence, sample_id LIMIT $1
"""
STRANGERS_SQL = """
SELECT sample_id, belonging, classes[1] AS class, probabilities[1] AS probability
FROM pool WHERE belonging IS NOT NULL AND classes IS NOT NULL
ORDER BY belonging, confidence DESC, sample_id LIMIT $1
"""


def weak_labels(reported: Reported) -> Answer:
    """Say which classes, and which samples, have the weakest labels."""
    ask = reported.ask
    every, classes = ask.execute(ALL_SQL).first(), ask.execute(CLASSES_SQL, [CLASSES_SHOWN])
    labels = read_label_facts(ask, reported.run.config.get("labels", {}).get("least_belonging", 0.0))
    galleries = {"doubtful": _doubtful(ask), "uncertain": _uncertain(ask), "strangers": _strangers(ask)}
    facts = {
        "states": read_states(ask),
        "every": every,
        "weakest": classes.first() if every["n_checked"] else None,
        "classes": _classes(classes) if len(classes) else None,
        "n_more": max(0, (classes.first()["n_classes"] or 0) - len(classes)),
        "curve": label_curve(labels) if labels and labels.curve else None,
        "methods": [method for (method,) in ask.execute(METHODS_SQL).fetchall()],
        "n_refused": labels.n_refused if labels else 0,
    }
    return Answer(facts, galleries)


def _classes(rows: Rows) -> Markup:
    return table(
        rows,
        Column("Class", "class", text),
        Column("Checked", "n_checked"),
        Column("Held-out accuracy", "accuracy", percent),
        Column("from", "low", _whole),
        Column("to", "high", _whole),
        Column("In doubt", "n_doubtful"),
        Column("Given", "n_given"),
        Column("Without a label", "n_unlabelled"),
        Column("Of these labelled", "coverage", _whole),
        Column("", "coverage", _whole, "fill-curated"),
        Column("Confidence", "confidence", decimals(2)),
    )


def _whole(share: float) -> str:
    return percent(share, 0)


def _doubtful(ask: Asked) -> Gallery:
    rows = ask.execute(WRONG_SQL, [SHOTS])
    found = rows.fetchall()
    shots = one_each(
        Shot(name, (f"given {given}", f"{percent(share, 0)} {better}")) for name, given, better, share, _ in found
    )
    meaning = (
        "The given label, and the class that a model which did not see it finds most probable; most doubtful first."
    )
    strips = (Strip("", shots, rows.anchor, found[0][-1] - len(found)),) if found else ()
    return Gallery("Given labels that may be wrong", meaning, strips, "No given label is in doubt.")


def _uncertain(ask: Asked) -> Gallery:
    rows = ask.execute(DOUBT_SQL, [SHOTS, TOP_CLASSES])
    shots = one_each(Shot(name, _most_probable(*told)) for name, *told in rows.fetchall())
    meaning = "Samples of the curated set whose first class is the least probable."
    strips = (Strip("", shots, rows.anchor),) if shots else ()
    return Gallery("Least certain labels", meaning, strips, "There are no pseudo-labels over two classes or more.")


def _most_probable(classes: list[str], probabilities: list[float], abstained: bool) -> tuple[str, ...]:
    lines = (f"{percent(share, 0)} {name}" for name, share in zip(classes, probabilities, strict=False))
    return (*lines, *(["abstained"] if abstained else []))


def _strangers(ask: Asked) -> Gallery:
    rows = ask.execute(STRANGERS_SQL, [SHOTS])
    shots = one_each(
        Shot(name, (decimal(share, 3), f"else {percent(sure, 0)} {first}"))
        for name, share, first, sure in rows.fetchall()
    )
    meaning = (
        "The samples farthest from every given label, by their belonging: candidates for a class that nobody named yet,"
        " of no class, or of a class's unlabelled kind."
    )
    strips = (Strip("", shots, rows.anchor),) if shots else ()
    return Gallery("Farthest from the labels", meaning, strips, "Nothing was compared with given labels.")
