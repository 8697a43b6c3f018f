"""Labels that several people gave: who said what of each sample, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from windrow.schemas import ANNOTATIONS, ANNOTATORS, Table
from windrow.tasks.algorithms.arrays import Float64Array, Int64Array, row_blocks
from windrow.tasks.storage.files.whole_columns import whole

if TYPE_CHECKING:
    from windrow.tasks.labels.labels_config import AnnotatorsBy

MOST_VOTES = 2**27
"""Samples times annotators, and annotators times classes squared: what Dawid and Skene's method holds at once."""
SMALLEST_SHARE = 1e-4
"""Of a class that is listed for a sample."""
NAMES_TOLD = 3

# Who says a label: names, where they are few.
WHO = f"""
CASE WHEN count(DISTINCT annotator) = 0 THEN NULL
     WHEN count(DISTINCT annotator) <= {NAMES_TOLD} THEN string_agg(DISTINCT annotator, ', ' ORDER BY annotator)
     ELSE count(DISTINCT annotator) || ' annotators' END
"""
# A sample that is seen with several labels keeps their shares, and abstains when none has the majority.
TOGETHER = f"""
WITH counted AS (
    SELECT sample_id, label, sum(weight) AS n, avg(weight) AS weight, {WHO} AS who FROM named GROUP BY sample_id, label
),
shared AS (SELECT *, n / sum(n) OVER (PARTITION BY sample_id) AS share FROM counted)
SELECT sample_id, list(label ORDER BY share DESC, label) AS classes, list(share ORDER BY share DESC, label) AS shares,
       list(weight ORDER BY share DESC, label) AS weights, list(who ORDER BY share DESC, label) AS who
FROM shared GROUP BY sample_id ORDER BY sample_id
"""
ANNOTATIONS_SQL = """
SELECT sample_id, annotator, label, avg(weight) AS label_weight FROM named WHERE annotator IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""
# Who said two things of one sample has said nothing.
VOTES_SQL = """
SELECT sample_id, annotator, any_value(label) AS label FROM named WHERE annotator IS NOT NULL
GROUP BY sample_id, annotator HAVING count(DISTINCT label) = 1 ORDER BY sample_id, annotator
"""
ANNOTATORS_SQL = """
SELECT a.annotator, count(DISTINCT a.sample_id) AS n_samples, avg((a.label = d.label)::INTEGER) AS agreement
FROM said a LEFT JOIN decided d USING (sample_id) GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True)
class SaidOf:
    """What is said of a sample: classes, the surest first, their shares; what the first weighs, and who says so."""

    sample_id: str
    classes: list[str]
    shares: list[float]
    weight: float
    who: str | None

    @property
    def label(self) -> str | None:
        """The first class, where it has the majority."""
        return self.classes[0] if self.shares[0] > 0.5 else None


@dataclass(frozen=True)
class Agreed:
    """What is said of each sample, by `sample_id`, and how often each annotator is right by Dawid and Skene."""

    samples: list[SaidOf]
    accuracy: dict[str, float]


def agree(connection: Any, by: AnnotatorsBy) -> Agreed:
    """Bring the rows of the table `named` (sample_id, label, annotator, weight) together.

    'majority': each row counts by its weight. 'dawid-skene': by how often each annotator takes one class for another,
    learnt from all their labels; of rows without an annotator only where a sample has no others.
    """
    counted = [
        SaidOf(sample_id, classes, shares, weights[0], who[0])
        for sample_id, classes, shares, weights, who in connection.sql(TOGETHER).fetchall()
    ]
    votes = connection.sql(VOTES_SQL).to_arrow_table()
    return Agreed(counted, {}) if by == "majority" or not votes.num_rows else _dawid_skene(connection, counted, votes)


def _dawid_skene(connection: Any, counted: Sequence[SaidOf], votes: pa.Table) -> Agreed:
    from windrow.tasks.algorithms.labels.combining.dawid_skene import fit_dawid_skene

    samples, people, classes = (whole(votes[name]).dictionary_encode() for name in votes.column_names)
    names, who = classes.dictionary.to_pylist(), people.dictionary.to_pylist()
    _check_size(len(samples.dictionary), len(who), len(names))
    matrix = np.full((len(samples.dictionary), len(who)), -1, np.int64)
    matrix[_codes(samples), _codes(people)] = _codes(classes)
    fitted = fit_dawid_skene(matrix, len(names))
    weights = _weights(connection)
    found: dict[str, SaidOf] = {}
    ids = samples.dictionary.to_pylist()
    for rows in row_blocks(len(ids)):
        for sample_id, given in zip(ids[rows], fitted.predict_proba(matrix[rows]).astype(np.float64), strict=True):
            found[sample_id] = _said(sample_id, given, names, weights)
    right = (fitted.confusion.diagonal(axis1=1, axis2=2) * fitted.prior).sum(axis=1)
    return Agreed(
        [found.get(each.sample_id, each) for each in counted],
        {name: min(float(share), 1.0) for name, share in zip(who, right, strict=True)},
    )


def _said(
    sample_id: str, given: Float64Array, names: Sequence[str], weights: dict[tuple[str, str], tuple[float, str | None]]
) -> SaidOf:
    order = sorted(range(len(names)), key=lambda number: (-given[number], names[number]))
    listed = [number for number in order if given[number] >= SMALLEST_SHARE] or order[:1]
    weight, who = weights.get((sample_id, names[listed[0]]), (1.0, None))
    return SaidOf(sample_id, [names[number] for number in listed], given[listed].tolist(), weight, who)


def _weights(connection: Any) -> dict[tuple[str, str], tuple[float, str | None]]:
    """What each label of each sample weighs, and who says it."""
    rows = connection.sql(f"SELECT sample_id, label, avg(weight), {WHO} FROM named GROUP BY 1, 2").fetchall()
    return {(sample_id, label): (weight, who) for sample_id, label, weight, who in rows}


def _codes(column: pa.DictionaryArray) -> Int64Array:
    return np.asarray(column.indices.to_numpy(zero_copy_only=False), np.int64)


def _check_size(n_samples: int, n_annotators: int, n_classes: int) -> None:
    for n, what in ((n_samples, "samples"), (n_classes**2, "pairs of classes")):
        if n * n_annotators > MOST_VOTES:
            raise ValueError(
                f"labels.annotators: dawid-skene takes at most {MOST_VOTES:,} annotators times {what}, got "
                f"{n_annotators:,} and {n:,}: take majority"
            )


def annotation_tables(connection: Any, agreed: Agreed) -> dict[Table, pa.Table]:
    """Return ANNOTATIONS and ANNOTATORS of the table `named`; neither where nobody has a name."""
    annotations = connection.sql(ANNOTATIONS_SQL).to_arrow_table()
    if not annotations.num_rows:
        return {}
    decided = pa.table(
        {
            "sample_id": pa.array([each.sample_id for each in agreed.samples], pa.string()),
            "label": pa.array([each.label for each in agreed.samples], pa.string()),
        }
    )
    connection.register("said", annotations)
    connection.register("decided", decided)
    people = connection.sql(ANNOTATORS_SQL).fetchall()
    columns = {
        "annotator": [name for name, *_ in people],
        "n_samples": [n for _, n, _ in people],
        "agreement": [share for *_, share in people],
        "accuracy": [agreed.accuracy.get(name) for name, *_ in people],
    }
    given = {name: whole(annotations[name]) for name in annotations.column_names}
    return {ANNOTATIONS: ANNOTATIONS.build(given), ANNOTATORS: ANNOTATORS.build(columns)}
