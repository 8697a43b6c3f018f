"""Given labels as a stage hands them on, alone or with the pool that they are of, made of lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from small_features import ids, write_features

from windrow.schemas import LABELS
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import OutputWriter, make_output


def given_table(samples: Sequence[str], labels: Sequence[str | None]) -> pa.Table:
    """Return rows of LABELS, label set 'given'."""
    n = len(samples)
    rest = {"annotator": ["user"] * n, "method": ["test"] * n, "round": [0] * n, "label_set": ["given"] * n}
    columns = {
        "sample_id": samples,
        "label": labels,
        "classes": [[label or "cat"] for label in labels],
        "probabilities": [[1.0]] * n,
        "confidence": [1.0] * n,
        "abstained": [label is None for label in labels],
        "label_weight": [1.0] * n,
    }
    return LABELS.build({**columns, **rest})


def write_given(store: Path, samples: Sequence[str], labels: Sequence[str | None]) -> str:
    """Write an output of the stage `given_labels` that holds these labels."""
    given = given_table(samples, labels)

    def write(writer: OutputWriter) -> None:
        writer.write(LABELS, given)
        writer.counts.update(n_given=len(samples), n_classes=len({*labels} - {None}))

    inputs = {"samples": list(samples), "labels": list(labels)}
    return make_output(store, "given_labels", 1, inputs, write).path


@dataclass(frozen=True)
class LabelledPool:
    """Outputs of the stages that label makers read."""

    features: list[str]
    neighbors: str
    given: str

    @property
    def made(self) -> Made:
        """The outputs by stage; `ingest` has none."""
        return Made(features=tuple(self.features), neighbors=(self.neighbors,), given_labels=(self.given,))


def write_labelled_pool(
    store: Path, vectors: np.ndarray, names: Sequence[str | None], n_shards: int = 1
) -> LabelledPool:
    """Write embeddings (n, d) in shards, their graph, and labels (None: not labelled)."""
    sample_ids = np.array(ids(len(vectors)))
    shards = [np.arange(len(vectors))[start::n_shards] for start in range(n_shards)]
    features = [write_features(store, sample_ids[rows].tolist(), vectors[rows]) for rows in shards]
    neighbors = find_neighbors(store, features, NeighborsConfig(k=min(10, len(vectors) - 1))).path
    known = [n for n, name in enumerate(names) if name is not None]
    return LabelledPool(features, neighbors, write_given(store, sample_ids[known].tolist(), [names[n] for n in known]))
