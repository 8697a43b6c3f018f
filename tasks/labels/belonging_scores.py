"""Belonging: whether each sample is of a labelled class at all, which no confidence among classes can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from windrow.schemas import BELONGING, LABELS
from windrow.tasks.clusters.neighbor_graph import read_graph
from windrow.tasks.labels.given_labels import class_names, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)
from windrow.tasks.storage.store.pool import read_pool

VERSION = 1


def refuses(config: LabelsConfig, given: Output) -> bool:
    """Say whether samples of no class are to abstain: labels of one class label nothing that could be refused."""
    return given.counts["n_classes"] > 1 and config.least_belonging > 0


def find_belonging(store: Path, stages: Mapping[str, Sequence[str]]) -> Done:
    """Write BELONGING, in the order of `sample_id`; no rows where no embedded sample has a given label.

    `stages` maps features, neighbors and given_labels to their outputs. The count is n_judged.
    """
    features, neighbors, given = (
        [open_output(store / path) for path in stages[stage]] for stage in ("features", "neighbors", "given_labels")
    )

    def write(writer: OutputWriter) -> None:
        from windrow.tasks.algorithms.labels.deciding.belonging import belonging

        pool, table = read_pool(features), given[0].read(LABELS)
        labels = pool_labels(pool.sample_ids, table, class_names(table))
        rows = BELONGING.schema().empty_table()
        if (labels >= 0).any():
            found = pa.array(belonging(pool.embeddings, read_graph(neighbors[0]), labels))
            rows = BELONGING.build({"sample_id": pool.sample_ids, "belonging": found})
        writer.write(BELONGING, rows)
        writer.counts.update(n_judged=rows.num_rows)

    inputs = {
        "embeddings": content_fingerprint(features),
        "neighbors": neighbors[0].digest,
        "given": given[0].digest,
    }
    return make_output(store, "belonging", VERSION, inputs, write)
