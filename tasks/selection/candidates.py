"""What the policies of a config want to know of the samples that they rank."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.selection.selection_config import REFERENCE
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Output

PLAIN = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT$|DOUBLE$|DECIMAL\(.*\)$|BOOLEAN$|VARCHAR$|\"NULL\"")
# A sample that may be of several classes counts for the rarest that it has, as in repeat factor sampling (Gupta et al.
# 2019, LVIS, section 5.2), which repeats an image as often as its rarest class asks for.
CLASSES_SQL = """
WITH present AS (SELECT sample_id, label FROM label_states WHERE label_set = 'pseudo' AND state = 'present'),
counted AS (SELECT label, count(*) AS n FROM present GROUP BY label),
rarest AS (
    SELECT sample_id, list(label ORDER BY n, label)[:1] AS classes, [1.0::FLOAT] AS probabilities
    FROM present JOIN counted USING (label) GROUP BY sample_id
)
SELECT s.sample_id, coalesce(p.classes, r.classes) AS classes,
       coalesce(p.probabilities, r.probabilities) AS probabilities
FROM samples s LEFT JOIN (
    SELECT * FROM labels WHERE label_set = 'pseudo'
) p USING (sample_id) LEFT JOIN rarest r USING (sample_id)
ORDER BY s.sample_id
"""


@dataclass(frozen=True)
class Evidence:
    """What is known of every readable sample, by `sample_id`: see `Candidates`, whose rows these are before filters.

    targets: the embeddings (m, dim) of the sets beside the pool, by the setting that names each.
    """

    similarity: Float32Array | None = None
    probabilities: SparseProbabilities | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    targets: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def candidates(self, facts: pa.Table, paths: npt.NDArray[np.int32], rows: Int64Array, pool: Any) -> Candidates:
        """What policies see of some rows, whose `facts`, clusters and `pool` embeddings these are."""
        said = self.probabilities
        return Candidates(
            sample_ids=np.asarray(facts["sample_id"]).astype(str),
            paths=paths,
            distance=facts["distance"].to_numpy(),
            embeddings=pool,
            similarity=None if self.similarity is None else self.similarity[rows],
            probabilities=said and SparseProbabilities(said.classes[rows], said.probabilities[rows], said.n_classes),
            columns={name: values[rows] for name, values in self.columns.items()},
            targets=self.targets.get(REFERENCE),
        )


def read_evidence(
    connection: Any,
    outputs: Mapping[str, Sequence[Output]],
    embedded: npt.NDArray[np.bool_],
    needs: Collection[Need],
    expressions: Iterable[str],
    targets: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Evidence:
    """Gather what policies need, and the values of SQL expressions over `pool`.

    `embedded`: bool (n,), which of the readable samples have an embedding. Raises ValueError for an expression that
    DuckDB refuses.
    """
    similarity = None
    if "similarity" in needs:
        graph = read_graph(outputs[Stage.NEIGHBORS][0]).similarity
        similarity = np.full((len(embedded), graph.shape[1]), -1, np.float32)
        similarity[embedded] = graph
    return Evidence(
        similarity=similarity,
        probabilities=_probabilities(connection) if "probabilities" in needs else None,
        columns={sql: _values(connection, sql) for sql in expressions},
        targets=targets or {},
    )


def _probabilities(connection: Any) -> SparseProbabilities | None:
    table = connection.sql(CLASSES_SQL).to_arrow_table()
    named = whole(table["classes"])
    names = pc.unique(pc.list_flatten(named)).drop_null().sort()
    if len(names) < 2:
        return None
    lengths = np.asarray(pc.fill_null(pc.list_value_length(named), 0))
    classes = np.full((len(named), int(lengths.max())), -1, np.int64)
    probabilities = np.zeros(classes.shape, np.float32)
    filled = np.arange(classes.shape[1]) < lengths[:, None]
    classes[filled] = np.asarray(pc.index_in(pc.list_flatten(named), names))
    probabilities[filled] = np.asarray(pc.list_flatten(whole(table["probabilities"])))
    # The label decided on came first, which need not be the surest.
    best = np.lexsort((classes, -probabilities), axis=1)
    classes, probabilities = np.take_along_axis(classes, best, axis=1), np.take_along_axis(probabilities, best, axis=1)
    return SparseProbabilities(classes, probabilities, len(names))


def check_expression(connection: Any, sql: str, *, is_predicate: bool) -> None:
    """Raise ValueError where a text is no SQL expression over `pool`, or no predicate; nothing is computed."""
    with _refusing(sql):
        [(_, kind, *_)] = query(connection, f"DESCRIBE SELECT ({sql}\n) AS value FROM pool").fetchall()
        if is_predicate and kind != "BOOLEAN":
            raise ValueError(f"its values are {kind}, wants true or false")
        if not PLAIN.match(kind):
            raise ValueError(f"its values are {kind}, wants numbers, texts or truth values")


def _values(connection: Any, sql: str) -> npt.NDArray[Any]:
    """The values of a SQL expression over `pool`, by `sample_id`."""
    with _refusing(sql):
        found = query(connection, f"SELECT ({sql}\n) AS value FROM pool ORDER BY sample_id").to_arrow_table()
        column = whole(found["value"])
        if pa.types.is_large_string(column.type):
            return np.asarray(column.to_numpy(zero_copy_only=False), object)
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


@contextmanager
def _refusing(sql: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, ValueError, pa.ArrowNotImplementedError) as error:  # the last: of lists, dates and the like
        raise ValueError(f"selection: {sql!r} is no expression over pool: {error}") from None
