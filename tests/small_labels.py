"""Outputs of features, neighbours and given labels, made of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_features import ids, write_features

from windrow.schemas import LABELS
from windrow.tasks.stages.neighbors import NeighborsConfig, find_neighbors
from windrow.tasks.storage.outputs import OutputWriter, make_output


@dataclass(frozen=True)
class LabelledPool:
    """Outputs of the stages that label makers read."""

    features: list[str]
    neighbors: str
    given: str


def write_given(store: Path, names: Sequence[str | None], sample_ids: Sequence[str]) -> str:
    """Write the output of the stage `given_labels`: a label for each sample, or None."""
    known = [(sample, name) for sample, name in zip(sample_ids, names, strict=True) if name is not None]

    def write(writer: OutputWriter) -> None:
        n = len(known)
        columns = {
            "sample_id": [sample for sample, _ in known],
            "label_set": ["given"] * n,
            "label": [name for _, name in known],
            "classes": [[name] for _, name in known],
            "probabilities": [[1.0]] * n,
            "confidence": [1.0] * n,
            "abstained": [False] * n,
            "weight": [1.0] * n,
            "annotator": ["user"] * n,
            "method": ["test"] * n,
            "round": [0] * n,
        }
        writer.write(LABELS, LABELS.build(columns))
        writer.counts.update(n_given=n, n_classes=len({name for _, name in known}))

    return make_output(store, "given_labels", 1, {"known": known}, write).path


def write_labelled_pool(
    store: Path, vectors: np.ndarray, names: Sequence[str | None], n_shards: int = 1
) -> LabelledPool:
    """Write embeddings (n, d) in shards, their graph, and labels (None: not labelled)."""
    sample_ids = np.array(ids(len(vectors)))
    shards = [np.arange(len(vectors))[start::n_shards] for start in range(n_shards)]
    features = [write_features(store, sample_ids[rows].tolist(), vectors[rows]) for rows in shards]
    neighbors = find_neighbors(store, features, NeighborsConfig(k=min(10, len(vectors) - 1))).path
    return LabelledPool(features, neighbors, write_given(store, names, sample_ids.tolist()))
