"""The file of samples to label: which ones, why, and the labels that there are, as `labels.given` reads it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.labels.queries import QUERIES, query_for
from windrow.tasks.labels.audits.audit_file import check_new_file, places_of, write_lines
from windrow.tasks.labels.states.asked_states import QUERY, write_asked_states
from windrow.tasks.labels.states.multi_label_config import OF_FILE
from windrow.tasks.labels.states.one_class import several_classes
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.pool import read_pool
from windrow.tasks.storage.store.run_records import Run

COLUMNS = ("sample_id", "label", "why", "source_uri", "shard", "key")
GIVEN = "labelled already"
WHY = {
    "typical": "stands for {size:,} alike: on average {score:.3f} from its nearest",
    "uncertain": "one of {size:,} alike that are undecided: margin {score:.3f}",
    "hard-to-contrast": "stands for {size:,} alike: told from its neighbours with confidence {score:.3f}",
}
# What is dropped is never exported, so a label of it is of no use; one that it has says something all the same.
ASKED_SQL = """
SELECT p.sample_id, p.given_label FROM pool p
WHERE p.cluster_path IS NOT NULL AND (p.rank IS NOT NULL OR p.given_label IS NOT NULL) ORDER BY p.sample_id
"""
# A sample whose given labels contradict each other has a row for each of them, and is read back as it was.
GIVEN_SQL = """
SELECT sample_id, unnest(CASE WHEN label IS NULL THEN classes ELSE [label] END) AS label
FROM labels WHERE label_set = 'given' ORDER BY sample_id, label
"""


@dataclass(frozen=True)
class Annotation:
    """What was written: `by` names the query; `n_asked` samples have no label, `n_given` did have one; or `n_asked`
    pairs of a sample and a class no state, where samples may be of several (`is_of_states`).
    """

    by: str
    n_asked: int
    n_given: int
    is_of_states: bool = False


def write_annotation(path: Path, run: Run, n: int, by: str, seed: int) -> Annotation:
    """Write a new .csv or .parquet file of the n samples of a finished run to label first, and of those that are.

    Columns: sample_id, label (empty where it is to be filled in), why, source_uri, shard and key, the most telling
    first; then all given labels of the run, so that the file alone is the next `labels.given`. `by`: a name of QUERIES,
    or 'auto'. Where samples may be of several classes: the file of `write_asked_states`. Raises ValueError when the
    file exists (it may hold labels), its folder does not, its suffix is another, every sample is labelled, or the query
    lacks labels.
    """
    check_new_file(path, "labels")
    connection = connect_run(run.store, run.run_id)
    if several_classes(connection):
        if by not in ("auto", QUERY):
            raise ValueError(f"--by {by}: is for samples of one class; where they may be of several, it is {QUERY}")
        vocabulary = run.config["labels"]["multi"]["vocabulary"]
        of_tables = [] if vocabulary == OF_FILE else list(map(str, vocabulary))
        return Annotation(QUERY, write_asked_states(path, connection, n, of_tables), 0, True)
    found = connection.sql(ASKED_SQL).to_arrow_table()
    given = connection.sql(GIVEN_SQL).fetchall()
    classes = pc.unique(whole(found["given_label"]).drop_null()).sort()
    labels = pc.fill_null(pc.index_in(whole(found["given_label"]), classes), -1).to_numpy().astype(np.int64)
    by = query_for(int((labels >= 0).sum()), len(classes)) if by == "auto" else by
    try:
        picks = QUERIES[by]().pick(_embeddings(run, whole(found["sample_id"])), labels, n, seed)
    except ValueError as error:
        raise ValueError(f"--by {by}: {error}") from None
    if not len(picks.rows):
        raise ValueError(f"run {run.run_id} has no sample left to label: each that is ranked has a label")
    asked = found["sample_id"].take(pa.array(picks.rows)).to_pylist()
    why = [
        WHY[by].format(size=int(size), score=score) for size, score in zip(picks.cluster_size, picks.score, strict=True)
    ]
    rows = [(sample_id, None, text) for sample_id, text in zip(asked, why, strict=True)]
    rows += [(sample_id, label, GIVEN) for sample_id, label in given]
    write_lines(path, COLUMNS, _with_places(connection, rows))
    return Annotation(by, len(asked), len({sample_id for sample_id, _ in given}))


def _embeddings(run: Run, sample_ids: pa.Array) -> Any:
    pool = read_pool(run.outputs(Stage.FEATURES))
    return pool.embeddings[np.asarray(pc.index_in(sample_ids, pool.sample_ids))]


def _with_places(connection: Any, rows: Sequence[tuple[str, str | None, str]]) -> list[tuple[str | None, ...]]:
    places = places_of(connection, [sample_id for sample_id, _, _ in rows])
    return [(*row, *places[row[0]]) for row in rows]
