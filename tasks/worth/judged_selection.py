"""What a run's tables say of its selection and of the samples that judge it, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, KnownStates
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, judge_features
from windrow.tasks.algorithms.worth.version_worth import LastVersion
from windrow.tasks.labels.states.one_class import several_classes
from windrow.tasks.labels.states.state_labeling import states_of
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.worth.version_before import STATES, has_states, read_version

FITTED_ON = 20_000
"""Samples by which features of many dimensions are projected."""
MOST_SEEN = 0.05
"""Share of the evaluated samples that the last version may hold; beyond, its labels were made with theirs."""

ROWS_SQL = """
SELECT a.sample_id, a.cluster_path[1] AS cluster, e.rank, e.selected, e.dropped_by,
       CASE WHEN NOT l.abstained THEN l.label END AS label, l.label_weight, g.label IS NOT NULL AS is_given,
       h.sample_id IS NOT NULL AS held_out, h.label AS truth, h.group_id
FROM assignments a
JOIN selection e USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = ?) l USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
LEFT JOIN held_out h USING (sample_id)
ORDER BY a.sample_id
"""
# Of a class that is known to be present alone, or absent, nothing can be told apart.
TRUE_STATES_SQL = """
SELECT sample_id, label, state = 'present' AS present FROM held_out_states
WHERE label IN (SELECT label FROM held_out_states GROUP BY label HAVING count(DISTINCT state) = 2)
ORDER BY sample_id, label
"""


@dataclass(frozen=True)
class JudgedSelection:
    """The pool without what is held out, n samples by `sample_id`, its selection, and the k samples that judge it.

    sample_ids: (n,); pool: features, labels or states, and truth; groups: int64 (k,), of the evaluated; evaluated:
    their ids; ranked: int64, the selected rows by rank; distinct: int64, rows that are no near-duplicate of another;
    clusters: int64 (n,), the finest. is_given: bool (n,); given: rows and classes,
    int64 (g,) both, of given labels, or of given states that are present. classes: the names of the numbers.
    """

    sample_ids: pa.Array
    pool: JudgedPool
    groups: Int64Array
    evaluated: pa.Array
    ranked: Int64Array
    distinct: Int64Array
    clusters: Int64Array
    is_given: BoolArray
    given: tuple[Int64Array, Int64Array]
    classes: tuple[str, ...]


def read_judged(connection: Any, embedded: Pool, label_set: str, others: Sequence[str]) -> JudgedSelection:
    """Read what the tables of a run say; `others` are classes that only the last version has."""
    rows = wide(connection.sql(ROWS_SQL, params=[label_set]).to_arrow_table())
    several = several_classes(connection)
    held = _booleans(rows["held_out"])
    true = wide(connection.sql(TRUE_STATES_SQL).to_arrow_table())
    judging_ids = pc.unique(true["sample_id"]) if several else rows.filter(pc.is_valid(rows["truth"]))["sample_id"]
    judges = np.flatnonzero(_booleans(pc.is_in(rows["sample_id"], whole(judging_ids))))
    left = np.flatnonzero(~held)
    fitted_on = left[:: max(1, len(left) // FITTED_ON)]  # ids are digests, so these are a random sample
    features = judge_features(embedded.embeddings, fitted_on)
    rest, judging = rows.take(pa.array(left)), rows.take(pa.array(judges))
    sample_ids, evaluated = whole(rest["sample_id"]), whole(judging["sample_id"])
    if several:
        names = {
            *_classes(connection, label_set),
            *pc.unique(true["label"]).to_pylist(),
            *others,
        }
    else:
        names = {*pc.unique(rest["label"]).to_pylist(), *pc.unique(judging["truth"]).to_pylist(), *others} - {None}
    classes = tuple(sorted(names))
    labelled = JudgedPool(
        features[left],
        numbers_of(rest["label"], classes),
        np.nan_to_num(rest["label_weight"].to_numpy().astype(np.float64)),
        features[judges],
        numbers_of(judging["truth"], classes),
        len(classes),
    )
    if several:
        pool = _with_states(labelled, true, evaluated, states_in(connection, label_set, sample_ids, classes), classes)
        states = states_in(connection, "given", sample_ids, classes)
        is_present, is_given = states.states == PRESENT, states.is_listed()
        given = states.rows[is_present], states.classes[is_present]
    else:
        pool, is_given = labelled, _booleans(rest["is_given"])
        of = np.flatnonzero(is_given & (pool.labels >= 0))
        given = of, pool.labels[of]
    rank = rest["rank"].fill_null(0).to_numpy()
    selected = np.flatnonzero(_booleans(rest["selected"]))
    return JudgedSelection(
        sample_ids,
        pool,
        np.asarray(whole(judging["group_id"]).dictionary_encode().indices, np.int64),
        evaluated,
        selected[np.argsort(rank[selected])],
        np.flatnonzero(pc.not_equal(rest["dropped_by"].fill_null(""), "near_duplicate").to_numpy()),
        rest["cluster"].to_numpy().astype(np.int64),
        is_given,
        given,
        classes,
    )


def _classes(connection: Any, label_set: str) -> list[str]:
    """The classes that a label set, or what was given, says anything of."""
    sql = "SELECT label FROM {} WHERE label_set IN ($1, 'given')"
    asked = " UNION ".join(sql.format(name) for name in ("label_states", "vocabularies"))
    return [name for (name,) in connection.execute(asked, [label_set]).fetchall()]


def states_in(connection: Any, label_set: str, sample_ids: pa.Array, classes: Sequence[str]) -> KnownStates:
    """What a label set of the run says of these samples and classes."""
    sql = "SELECT * FROM {} WHERE label_set = $1"
    tables = [
        wide(connection.sql(sql.format(name), params=[label_set]).to_arrow_table())
        for name in ("label_states", "looked_for", "vocabularies")
    ]
    return states_of(tables[0], tables[1], tables[2], sample_ids, classes)[0]


def _with_states(
    pool: JudgedPool, true: pa.Table, evaluated: pa.Array, states: KnownStates, classes: Sequence[str]
) -> JudgedPool:
    """The pool with states in the place of labels, judged by true ones."""
    truth = 2 * numbers_of(true["label"], classes) + _booleans(true["present"])
    sample = np.asarray(pc.index_in(whole(true["sample_id"]), evaluated).to_numpy(), np.int64)
    return replace(pool, states=states, truth=truth, sample=sample)


def numbers_of(names: pa.ChunkedArray, classes: Sequence[str]) -> Int64Array:
    """The number of each class, int64 (n,); -1 for null."""
    found = pc.index_in(names, pa.array(classes, pa.string())) if classes else pa.nulls(len(names), pa.int32())
    return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)


def last_version(version: Version, judged: JudgedSelection, largest: int) -> LastVersion | str:
    """The last version as rows of the pool; or why it cannot be compared with.

    It is judged with the labels that it was published with, or with the states of its first `largest` samples. A label
    that is today's weighs what that does, another 1. What is of one class a sample and what may be of several are not
    compared: they are not judged alike.
    """
    several = judged.pool.states is not None
    if has_states(version) != several:
        return f"{version.version} was made of samples of {'one class' if several else 'several classes'}"
    samples = read_version(version, ["sample_id", *(STATES if several else ("label",))])
    usable = ~_booleans(pc.is_in(judged.evaluated, whole(samples["sample_id"])))
    if len(usable) and usable.mean() < 1 - MOST_SEEN:
        return f"{version.version} was made before the evaluated samples were held out: it holds some of them"
    row = pc.index_in(whole(samples["sample_id"]), judged.sample_ids)
    there = pc.is_valid(row).to_numpy(zero_copy_only=False)
    rows = np.asarray(row.drop_null().to_numpy(), np.int64)
    if not len(rows):
        return f"none of the samples of {version.version} is in the pool any more"
    samples = samples.filter(pa.array(there))
    labels = np.full(len(judged.sample_ids), -1, np.int64)
    if several:
        states = _states_of_lists(samples.slice(0, largest), rows[:largest], len(labels), judged.classes)
        return LastVersion(rows, labels, judged.pool.weights, usable, states)
    labels[rows] = numbers_of(samples["label"], judged.classes)
    weights: Float64Array = np.where(labels == judged.pool.labels, judged.pool.weights, 1.0)
    return LastVersion(rows, labels, weights, usable)


def _states_of_lists(samples: pa.Table, rows: Int64Array, n: int, classes: Sequence[str]) -> KnownStates:
    """The states that lists of a version say: of its samples, which are these rows of a pool of n."""
    places, numbers, states = [], [], []
    for name, state in (("present", PRESENT), ("absent", ABSENT)):
        lists = whole(samples[name])
        found = numbers_of(pc.list_flatten(lists), classes)
        known = found >= 0
        places.append(rows[pc.list_parent_indices(lists).to_numpy()][known])
        numbers.append(found[known])
        states.append(np.full(int(known.sum()), state, np.int8))
    nobody = np.full(n, -1, np.int64), np.zeros((0, len(classes)), np.bool_)
    return KnownStates(np.concatenate(places), np.concatenate(numbers), np.concatenate(states), *nobody)


def version_classes(version: Version, states: Sequence[str] = STATES) -> list[str]:
    """The labels of a version's samples, or where its samples may be of several classes those that have one of these
    states in any; sorted.
    """
    if has_states(version):
        lists = read_version(version, list(states)).select(list(states))
        found = {name for each in lists.columns for name in pc.unique(pc.list_flatten(each)).to_pylist()}
    else:
        found = {*pc.unique(read_version(version, ["label"])["label"]).to_pylist()}
    return sorted(found - {None})


def class_counts(judged: JudgedSelection, rows: Int64Array) -> Mapping[str, npt.NDArray[Any]]:
    """Of a set: labels and given labels (or samples with states), and samples by given class and by finest cluster."""
    inside = np.zeros(len(judged.sample_ids), np.bool_)
    inside[rows] = True
    labelled = rows[judged.pool.is_labelled()[rows]]
    of, classes = judged.given
    return {
        "labelled": labelled,
        "given": labelled[judged.is_given[labelled]],
        "classes": np.bincount(classes[inside[of]], minlength=max(1, judged.pool.n_classes)),
        "clusters": np.bincount(judged.clusters[rows]),
    }


def _booleans(column: Any) -> BoolArray:
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), bool
    )
