"""Belonging: whether each sample is of a labelled class at all, which no confidence among classes can say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import BELONGING, BELONGING_REACH, LABELS, NEIGHBORS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.labels.given_labels import class_names, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions_before import Fit, LabelsBefore, judged_fit, judged_tonight
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
)
from windrow.tasks.storage.store.pool import Pool, read_pool

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.deciding.belonging import Belonging
    from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

VERSION = 2


def refuses(config: LabelsConfig, given: Output) -> bool:
    """Say whether samples of no class are to abstain: labels of one class label nothing that could be refused."""
    return given.counts["n_classes"] > 1 and config.least_belonging > 0


def find_belonging(store: Path, made: Made, before: LabelsBefore | None = None) -> Done:
    """Write BELONGING and BELONGING_REACH, in the order of `sample_id`; no rows where no sample has a given label.

    before: what the last night judged; of a night that keeps it only what is new since all were judged is judged. The
    count is n_judged.
    """
    from windrow.tasks.algorithms.labels.deciding.belonging import searches_all

    features, neighbors, given = made.opened(store, Stage.FEATURES, Stage.NEIGHBORS, Part.GIVEN_LABELS).values()
    inputs: dict[str, Any] = {
        "embeddings": content_fingerprint(features),
        "neighbors": neighbors[0].digest,
        "given": given[0].digest,
    }
    if not searches_all(neighbors[0].counts["n_samples"], given[0].counts["n_given"]):
        inputs["searched"] = "cells"
    basis, fit = {"version": VERSION, **inputs}, None
    if (same := judged_tonight(store, before, Part.BELONGING, basis)) is not None:
        return same
    if before is not None and before.keeps:
        ids, table = whole(neighbors[0].read(NEIGHBORS, ["sample_id"])["sample_id"]), given[0].read(LABELS)
        pool = (ids, table, pool_labels(ids, table, class_names(table)))
        fit = judged_fit(store, before, Part.BELONGING, basis, pool, _judged)

    def write(writer: OutputWriter) -> None:
        pool, table = read_pool(features), given[0].read(LABELS)
        labels = pool_labels(pool.sample_ids, table, class_names(table))
        tables = [declared.schema().empty_table() for declared in (BELONGING, BELONGING_REACH)]
        if (labels >= 0).any():
            tables = _rows(pool, read_graph(neighbors[0]), labels, fit)
        for declared, rows in zip((BELONGING, BELONGING_REACH), tables, strict=True):
            writer.write(declared, rows)
        writer.counts.update(n_judged=tables[0].num_rows)

    if fit is not None:
        inputs["earlier"] = str(fit.output.path.relative_to(store))
    return make_output(store, Part.BELONGING, VERSION, inputs, write)


def _judged(output: Output) -> tuple[pa.Array, pa.Array]:
    table = output.read(BELONGING_REACH, ["sample_id", "held_out_nearness"])
    return whole(table["sample_id"]), whole(table.filter(pc.is_valid(table["held_out_nearness"]))["sample_id"])


def _rows(pool: Pool, graph: NeighborGraph, labels: Int64Array, fit: Fit | None) -> list[pa.Table]:
    from windrow.tasks.algorithms.labels.deciding.belonging import belonging_of_new, judge_belonging

    judged, held_out = np.flatnonzero(labels >= 0), np.full(len(labels), np.nan, np.float32)
    if fit is None:
        found = judge_belonging(pool.embeddings, graph, labels)
        held_out[judged] = found.held_out
    else:
        before, is_new = _placed(fit, len(labels))
        found = belonging_of_new(pool.embeddings, graph, labels, np.flatnonzero(is_new), before)
        there = fit.place >= 0
        held_out[fit.place[there]] = before.held_out[there]
    ids = {"sample_id": pool.sample_ids}
    reach = {
        "reached": pa.array(np.clip(found.reached, 0, 1)),
        "held_out_nearness": pa.array(held_out, mask=np.isnan(held_out)),
    }
    belonging = BELONGING.build({**ids, "belonging": pa.array(found.p_values)})
    return [belonging, BELONGING_REACH.build({**ids, **reach})]


def _placed(fit: Fit, n: int) -> tuple[Belonging, BoolArray]:
    """What the fit said, in tonight's rows (n,), and which of these are new since."""
    from windrow.tasks.algorithms.labels.deciding.belonging import Belonging

    said, table, there = fit.output.read(BELONGING), fit.output.read(BELONGING_REACH), fit.rows >= 0
    p_values, reached, is_new = np.zeros(n, np.float32), np.zeros(n, np.float32), np.ones(n, np.bool_)
    p_values[fit.rows[there]] = said["belonging"].to_numpy()[there]
    reached[fit.rows[there]] = table["reached"].to_numpy()[there]
    is_new[fit.rows[there]] = False
    held_out = table["held_out_nearness"].drop_null().to_numpy()
    return Belonging(p_values, reached, held_out), is_new
