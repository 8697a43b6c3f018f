"""Samples that are kept apart to judge curated sets by, and the given labels without theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ANNOTATIONS, ANNOTATORS, HELD_OUT, LABELS, NEIGHBORS, OCCURRENCES
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.algorithms.worth.hold_out import held_out_groups
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.labels.given_labels import class_names, given_labels, pool_labels
from windrow.tasks.selection.splits import group_samples
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output
from windrow.tasks.worth.worth_config import WorthConfig

VERSION = 1
LEAST = 50
"""Fewer evaluated groups than this can tell nothing."""

NAMES_SQL = 'SELECT sample_id, min("group") FROM occurrences WHERE "group" IS NOT NULL GROUP BY 1'


def hold_out(store: Path, made: Made, config: WorthConfig, threshold: float, seed: int) -> Done:
    """Write HELD_OUT, by `sample_id`: the samples of `config.evaluate`, or some of those with a given label.

    They go in groups: samples whose similarity in the k-NN graph reaches `threshold`, or that share a group of their
    source. The counts are n_held_out and n_evaluated, those with a label. Raises ValueError for a file that is none.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.NEIGHBORS, Part.GIVEN_LABELS)

    def write(writer: OutputWriter) -> None:
        table = outputs[Stage.NEIGHBORS][0].read(NEIGHBORS, ["sample_id"])
        sample_ids = whole(table["sample_id"])
        known = _judges(outputs, config)
        classes = class_names(known)
        labels = pool_labels(sample_ids, known, classes)
        groups = groups_of(outputs, sample_ids, threshold)
        held = held_of(labels, groups, config, seed)
        rows = np.flatnonzero(held)
        found = {
            "sample_id": sample_ids.take(pa.array(rows)),
            "group_id": groups.take(pa.array(rows)),
            "label": pa.array(classes, pa.string()).take(pa.array(labels[rows], mask=labels[rows] < 0)),
        }
        writer.write(HELD_OUT, HELD_OUT.build(found))
        writer.counts.update(n_held_out=len(rows), n_evaluated=int((labels[rows] >= 0).sum()))

    file = None if config.evaluate is None else Path(config.evaluate)
    inputs = {
        **digests(outputs),
        "file": None if file is None else file_digest(file) if file.is_file() else str(file),
        "by_key": config.evaluate is not None,
        "share": config.holdout_share,
        "most": config.holdout_most,
        "threshold": threshold,
        "seed": seed,
    }
    return make_output(store, Part.HELD_OUT, VERSION, inputs, write)


def without_held_out(store: Path, given: str, held: str) -> Done:
    """Write the given labels that makers may see: all but those of held-out samples. The counts are as they were."""
    labels, apart = open_output(store / given), open_output(store / held)

    def write(writer: OutputWriter) -> None:
        table = labels.read(LABELS)
        ids = whole(apart.read(HELD_OUT, ["sample_id"])["sample_id"])
        kept = table.filter(pc.invert(pc.is_in(table["sample_id"], ids)))
        writer.write(LABELS, kept)
        if f"{ANNOTATIONS.name}.parquet" in labels.files:
            said = labels.read(ANNOTATIONS)
            said = said.filter(pc.invert(pc.is_in(said["sample_id"], ids)))
            people = labels.read(ANNOTATORS)
            writer.write(ANNOTATIONS, said)
            writer.write(ANNOTATORS, people)
            writer.counts.update(n_annotations=said.num_rows, n_annotators=people.num_rows)
        writer.counts.update(n_given=kept.num_rows, n_classes=len(class_names(kept)))

    return make_output(store, Part.GIVEN_LABELS, VERSION, {"given": labels.digest, "held_out": apart.digest}, write)


def _judges(outputs: Mapping[str, Sequence[Output]], config: WorthConfig) -> pa.Table:
    """The labels to judge by, or to draw from."""
    if config.evaluate is not None:
        return given_labels(config.evaluate, {Stage.INGEST: outputs[Stage.INGEST]}, "worth.evaluate")
    return outputs[Part.GIVEN_LABELS][0].read(LABELS)


def groups_of(outputs: Mapping[str, Sequence[Output]], sample_ids: pa.Array, threshold: float) -> pa.Array:
    """Return the name of each sample's group: of those that are as similar as the threshold, or share a group of their
    source.
    """
    graph = read_graph(outputs[Stage.NEIGHBORS][0])
    near = np.argwhere(graph.similarity >= threshold)
    pairs = np.stack([near[:, 0], graph.indices[near[:, 0], near[:, 1]]], axis=1).astype(np.int64)
    connection = connect(tables_of({Stage.INGEST: outputs[Stage.INGEST]}), only=[OCCURRENCES])
    names = dict(connection.sql(NAMES_SQL).fetchall())
    return group_samples(sample_ids, pairs, [names.get(sample_id) for sample_id in sample_ids.to_pylist()])


def held_of(labels: Int64Array, groups: pa.Array, config: WorthConfig, seed: int) -> BoolArray:
    """Return which samples are held out, bool (n,); labels: int64 (n,), -1 of those without one."""
    encoded = groups.dictionary_encode()
    numbers = np.asarray(encoded.indices, np.int64)
    names = encoded.dictionary.to_pylist()
    if config.evaluate is not None:
        judging = np.zeros(len(names), np.bool_)
        judging[numbers[labels >= 0]] = True
        return np.asarray(judging[numbers])
    keys = np.array([int(name[:16], 16) for name in names], np.uint64)
    held = held_out_groups(labels, numbers, keys, config.holdout_share, config.holdout_most, seed)
    enough = len(np.unique(numbers[held & (labels >= 0)])) >= LEAST
    return held if enough else np.zeros(len(labels), np.bool_)
