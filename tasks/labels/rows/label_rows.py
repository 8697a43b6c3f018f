"""Label sets as rows of LABELS: clusters by number, and what was decided of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ASSIGNMENTS, LABELS
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.deciding.policy import Decision
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, SparseProbabilities
from windrow.tasks.labels.rows.label_columns import class_list_column
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Output

BY_CLUSTER = "hierarchical k-means"
WITHOUT_CLASSES = "not calibrated: no labels"


@dataclass(frozen=True)
class LabelSet:
    """A label set to store: its name, how it came about, the probabilities (n, n_classes) and the decision.

    predicted: int64 (n,), the class decided on, given or not; number: of the round; agreement: (n,) or None; possible:
    the classes that each sample may be, or None; temperature: by which the logits were divided; prior: the shares
    (n_classes,) that the classes were taken to have, or None.
    """

    name: str
    method: str
    probabilities: Probabilities
    decision: Decision
    predicted: Int64Array
    number: int = 0
    agreement: Float32Array | None = None
    possible: ClassLists | None = None
    temperature: float = 1.0
    prior: Float64Array | None = None

    def rows(self, sample_ids: pa.Array, classes: Sequence[str], top_k: int) -> pa.Table:
        """Return the rows of LABELS: the class decided on first, then the most probable of the others, top_k in all."""
        decision = self.decision
        top, values = self._top(min(top_k, self.probabilities.shape[1]))
        names = pa.array(classes, pa.large_string())
        filled = top >= 0
        offsets = pa.array(np.append(0, np.cumsum(filled.sum(axis=1))), pa.int64())
        columns = {
            "sample_id": sample_ids,
            "label_set": pa.scalar(self.name),
            "label": names.take(pa.array(decision.label, mask=decision.abstained)),
            "classes": pa.LargeListArray.from_arrays(offsets, names.take(pa.array(top[filled]))),
            "probabilities": pa.LargeListArray.from_arrays(offsets, pa.array(values[filled], pa.float32())),
            "confidence": pa.array(np.clip(decision.confidence, 0, 1), pa.float32()),
            "abstained": pa.array(decision.abstained),
            "label_weight": pa.array(np.clip(decision.weight, 0, 1), pa.float32()),
            "annotator": pa.scalar("windrow"),
            "method": pa.scalar(self.method),
            "round": pa.scalar(self.number, pa.int32()),
        }
        if self.agreement is not None:
            columns["agreement"] = pa.array(np.clip(self.agreement, 0, 1), pa.float32())
        if self.possible is not None:
            columns["possible"] = class_list_column(self.possible, classes, empty_is_null=True)
        if decision.excluded is not None:
            columns["left_out"] = class_list_column(decision.excluded, classes)
        return LABELS.build(columns)

    def _top(self, k: int) -> tuple[Int64Array, Float32Array]:
        """The class decided on and the most probable others, (n, k) of them, -1 in an empty slot; what each has."""
        if isinstance(self.probabilities, SparseProbabilities):
            return decided_first(self.probabilities, self.predicted, k)
        raised = self.probabilities.copy()
        raised[np.arange(len(raised)), self.predicted] += 1
        top = SparseProbabilities.of(raised, k).classes
        return top, np.take_along_axis(self.probabilities, top, axis=1)


def decided_first(said: SparseProbabilities, predicted: Int64Array, k: int) -> tuple[Int64Array, Float32Array]:
    """The class decided on (n,), then the most probable of the others that are listed: (n, k), and what each has."""
    top, values = np.full((len(said), k), -1, np.int64), np.zeros((len(said), k), np.float32)
    for rows in row_blocks(len(said)):
        part, first = said.take(rows), predicted[rows]
        others = np.where(part.classes == first[:, None], -1, part.classes)
        order = np.argsort(others < 0, axis=1, kind="stable")[:, : k - 1]
        top[rows, 0], values[rows, 0] = first, part.of_class(first)
        top[rows, 1 : order.shape[1] + 1] = np.take_along_axis(others, order, axis=1)
        values[rows, 1 : order.shape[1] + 1] = np.take_along_axis(part.probabilities, order, axis=1)
    return top, values


def cluster_rows(output: Output) -> list[pa.Table]:
    """Return cluster ids as labels, a table for each level, finest first."""
    assignments = output.read(ASSIGNMENTS)
    n = assignments.num_rows
    tables = []
    for level in range(1, output.counts["n_levels"] + 1):
        names = whole(pc.list_element(assignments["cluster_path"], level - 1)).cast(pa.large_string())
        single = pa.array(np.arange(n + 1), pa.int32())
        columns = {
            "sample_id": assignments["sample_id"],
            "label_set": pa.scalar(f"cluster_{level}"),
            "label": names,
            "classes": pa.ListArray.from_arrays(single, names),
            "probabilities": pa.ListArray.from_arrays(single, pa.repeat(pa.scalar(1.0, pa.float32()), n)),
            "confidence": pa.scalar(1.0, pa.float32()),
            "abstained": pa.scalar(False),
            "label_weight": pa.scalar(1.0, pa.float32()),
            "annotator": pa.scalar("windrow"),
            "method": pa.scalar(f"{BY_CLUSTER}, level {level}"),
            "round": pa.scalar(0, pa.int32()),
        }
        tables.append(LABELS.build(columns))
    return tables


def are_clusters(names: Sequence[str], methods: Sequence[str]) -> bool:
    """Say whether the labels of a label set are numbers of clusters, found where no class is known."""
    is_number = all(name.isascii() and name.isdigit() for name in names)
    made = (method.startswith(BY_CLUSTER) or method.endswith(WITHOUT_CLASSES) for method in methods)
    return is_number and all(made) and not any(method.startswith("zero_shot") for method in methods)
