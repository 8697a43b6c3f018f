"""What a run's tables say of its selection and of the samples that judge it, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, judge_features
from windrow.tasks.algorithms.worth.version_worth import LastVersion
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.worth.version_before import read_version

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


@dataclass(frozen=True)
class JudgedSelection:
    """The pool without what is held out, n samples by `sample_id`, its selection, and the m samples that judge it.

    sample_ids: (n,); pool: features, labels and truth; groups: int64 (m,), of the evaluated; evaluated: their ids;
    ranked: int64, the selected rows by rank; distinct: int64, rows that are no near-duplicate of another; clusters:
    int64 (n,), the finest; is_given: bool (n,). classes: the names of the numbers.
    """

    sample_ids: pa.Array
    pool: JudgedPool
    groups: Int64Array
    evaluated: pa.Array
    ranked: Int64Array
    distinct: Int64Array
    clusters: Int64Array
    is_given: BoolArray
    classes: tuple[str, ...]


def read_judged(connection: Any, embedded: Pool, label_set: str, others: Sequence[str]) -> JudgedSelection:
    """Read what the tables of a run say; `others` are classes that only the last version has."""
    rows = wide(connection.sql(ROWS_SQL, params=[label_set]).to_arrow_table())
    held = _booleans(rows["held_out"])
    judges = np.flatnonzero(pc.is_valid(rows["truth"]).to_numpy())
    left = np.flatnonzero(~held)
    fitted_on = left[:: max(1, len(left) // FITTED_ON)]  # ids are digests, so these are a random sample
    features = judge_features(embedded.embeddings, fitted_on)
    pool, judging = rows.take(pa.array(left)), rows.take(pa.array(judges))
    names = {*pc.unique(pool["label"]).to_pylist(), *pc.unique(judging["truth"]).to_pylist(), *others} - {None}
    classes = tuple(sorted(names))
    weights = np.nan_to_num(pool["label_weight"].to_numpy().astype(np.float64))
    rank = pool["rank"].fill_null(0).to_numpy()
    selected = np.flatnonzero(_booleans(pool["selected"]))
    return JudgedSelection(
        whole(pool["sample_id"]),
        JudgedPool(
            features[left],
            numbers_of(pool["label"], classes),
            weights,
            features[judges],
            numbers_of(judging["truth"], classes),
            len(classes),
        ),
        np.asarray(whole(judging["group_id"]).dictionary_encode().indices, np.int64),
        whole(judging["sample_id"]),
        selected[np.argsort(rank[selected])],
        np.flatnonzero(pc.not_equal(pool["dropped_by"].fill_null(""), "near_duplicate").to_numpy()),
        pool["cluster"].to_numpy().astype(np.int64),
        _booleans(pool["is_given"]),
        classes,
    )


def numbers_of(names: pa.ChunkedArray, classes: Sequence[str]) -> Int64Array:
    """The number of each class, int64 (n,); -1 for null."""
    found = pc.index_in(names, pa.array(classes, pa.string())) if classes else pa.nulls(len(names), pa.int32())
    return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)


def last_version(version: Version, judged: JudgedSelection) -> LastVersion | str:
    """The last version as rows of the pool; or why it cannot be compared with.

    It is judged with the labels that it was published with. A label that is today's weighs what that does, another 1.
    """
    samples = read_version(version, ["sample_id", "label"])
    usable = ~_booleans(pc.is_in(judged.evaluated, whole(samples["sample_id"])))
    if len(usable) and usable.mean() < 1 - MOST_SEEN:
        return f"{version.version} was made before the evaluated samples were held out: it holds some of them"
    row = pc.index_in(whole(samples["sample_id"]), judged.sample_ids)
    there = pc.is_valid(row).to_numpy(zero_copy_only=False)
    rows = np.asarray(row.drop_null().to_numpy(), np.int64)
    if not len(rows):
        return f"none of the samples of {version.version} is in the pool any more"
    labels = np.full(len(judged.sample_ids), -1, np.int64)
    labels[rows] = numbers_of(samples["label"].filter(pa.array(there)), judged.classes)
    weights: Float64Array = np.where(labels == judged.pool.labels, judged.pool.weights, 1.0)
    return LastVersion(rows, labels, weights, usable)


def version_classes(version: Version | None) -> list[str]:
    """The labels of a version's samples; none without a version."""
    if version is None:
        return []
    return [name for name in pc.unique(read_version(version, ["label"])["label"]).to_pylist() if name is not None]


def class_counts(judged: JudgedSelection, rows: Int64Array) -> Mapping[str, npt.NDArray[Any]]:
    """Of a set: labels and given labels, and samples by class of these and by finest cluster."""
    labelled = rows[judged.pool.labels[rows] >= 0]
    given = labelled[judged.is_given[labelled]]
    return {
        "labelled": labelled,
        "given": given,
        "classes": np.bincount(judged.pool.labels[given], minlength=max(1, judged.pool.n_classes)),
        "clusters": np.bincount(judged.clusters[rows]),
    }


def _booleans(column: Any) -> BoolArray:
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), bool
    )
