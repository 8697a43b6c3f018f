"""What is commonest of a class takes no rows, and the view `states` gives back every state all the same."""

import numpy as np
import pyarrow as pa

from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import spread_states
from windrow.tasks.labels.states.state_labeling import _looked_for, _vocabularies
from windrow.tasks.labels.states.state_rows import StateRows
from windrow.tasks.storage.catalog.views import connect

N, CLASSES = 300, ("common", "rare", "listed", "never")


def test_rows_and_vocabularies_say_what_the_dense_states_say() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((N, 4)) < [0.6, 0.1, 0.4, 0.0]
    points = (rng.standard_normal((N, 6)) * 0.4 + np.pad(np.where(truth, 2.0, -2.0), ((0, 0), (0, 2)))).astype("f4")
    given = np.where(truth, PRESENT, ABSENT)
    given[200:] = UNKNOWN
    given[:, 2][given[:, 2] == ABSENT] = UNKNOWN
    known = KnownStates.of_matrix(given)
    rows, dense, shares = StateRows(N, 2), [], []
    for found in spread_states(points, known, StateRule(promise=0.8, failure_rate=0.2)):
        rows.add(found, known.entries_of(found.number))
        dense.append(found.state)
        shares.append(found.probability)
    ids = pa.array([f"{number:04d}" for number in range(N)])
    table = rows.table(ids, CLASSES, pa.array(["ann"] * len(known.rows)))
    states, probability = np.stack(dense, axis=1), np.stack(shares, axis=1)
    assert (states[:, 1] == ABSENT).sum() > N / 2  # so that absence of it is what has no rows

    connection = connect({})
    for name, made in {
        "label_states": table,
        "looked_for": _looked_for(ids, True),
        "vocabularies": _vocabularies(rows.implied, CLASSES),
    }.items():
        connection.register("_made", made)
        connection.execute(f"INSERT INTO {name} FROM _made")
    found_rows = connection.execute("SELECT sample_id, present, absent FROM states ORDER BY sample_id").fetchall()
    assert len(found_rows) == N
    for (_, present, absent), row in zip(found_rows, states, strict=True):
        assert present == sorted(name for name, state in zip(CLASSES, row, strict=True) if state == PRESENT)
        assert absent == sorted(name for name, state in zip(CLASSES, row, strict=True) if state == ABSENT)

    kept = {(row["sample_id"], row["label"]): row for row in table.to_pylist()}
    assert len(kept) < 3 * N  # of 4 N states
    for number in range(N):  # the two most probable are there, whatever they are
        for label in np.argsort(-np.nan_to_num(probability[number], nan=-1), kind="stable")[:2].tolist():
            assert (f"{number:04d}", CLASSES[label]) in kept
    who = {row["annotator"] for row in kept.values() if int(row["sample_id"]) < 200 and row["state"] == "present"}
    assert who == {"ann", "windrow"} or who == {"ann"}
    assert {row["annotator"] for row in kept.values() if int(row["sample_id"]) >= 200} == {"windrow"}
    assert rows.implied.keys() >= {1, 3}
    assert 0 <= rows.implied[1] < 0.1
