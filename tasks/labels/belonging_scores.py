"""Belonging: whether each sample is of a labelled class at all, which no confidence among classes can say."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from windrow.schemas import BELONGING, LABELS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.labels.given_labels import class_names, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, content_fingerprint, make_output
from windrow.tasks.storage.store.pool import read_pool

VERSION = 1


def refuses(config: LabelsConfig, given: Output) -> bool:
    """Say whether samples of no class are to abstain: labels of one class label nothing that could be refused."""
    return given.counts["n_classes"] > 1 and config.least_belonging > 0


def find_belonging(store: Path, made: Made) -> Done:
    """Write BELONGING, in the order of `sample_id`; no rows where no embedded sample has a given label.

    The count is n_judged.
    """
    features, neighbors, given = made.opened(store, Stage.FEATURES, Stage.NEIGHBORS, Part.GIVEN_LABELS).values()

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
    return make_output(store, Part.BELONGING, VERSION, inputs, write)
