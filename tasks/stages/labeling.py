"""Pseudo-labels: what the clusters say, and what a few given labels say about the rest of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ASSIGNMENTS, LABELS
from windrow.tasks.algorithms.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.knn_vote import knn_vote
from windrow.tasks.algorithms.label_makers import LabelMaker, cross_fit, ensemble
from windrow.tasks.algorithms.label_policy import Decision, LabelPolicyConfig, decide
from windrow.tasks.algorithms.label_propagation import label_propagation
from windrow.tasks.algorithms.logistic_probe import logistic_probe
from windrow.tasks.algorithms.neighbors import NeighborGraph
from windrow.tasks.algorithms.sparse_probabilities import SparseProbabilities
from windrow.tasks.stages.given_labels import given_labels
from windrow.tasks.stages.neighbors import read_graph
from windrow.tasks.storage.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    file_digest,
    make_output,
    open_output,
)
from windrow.tasks.storage.pool import Pool, read_pool

VERSION = 1

MakerName = Literal["knn", "propagation", "probe"]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelsConfig:
    """Where labels come from and when a pseudo-label is sure enough.

    `given`: 'found' (labels that came with samples), 'none', or a Parquet or CSV file with columns `label` and
    `sample_id` (or `key`). `makers`: methods that spread them over the pool, each into a label set of its name.
    `combine`: those whose mean is the label set 'pseudo'. `policy`: when to abstain. `top_k`: classes kept for each
    sample. `n_folds`: of the cross-fit that calibrates the confidences.
    With labels of fewer than two classes, 'pseudo' holds the coarsest clusters.
    """

    given: str = "found"
    makers: tuple[MakerName, ...] = ("knn", "propagation", "probe")
    combine: tuple[MakerName, ...] = ("propagation", "probe")
    policy: LabelPolicyConfig = field(default_factory=LabelPolicyConfig)
    top_k: int = 5
    n_folds: int = 5

    def __post_init__(self) -> None:
        if not self.makers or not set(self.makers) <= {"knn", "propagation", "probe"}:
            raise ValueError(f"labels.makers: wants some of knn, propagation and probe, got {self.makers}")
        if not self.combine or not set(self.combine) <= set(self.makers):
            raise ValueError(f"labels.combine: wants some of the makers {self.makers}, got {self.combine}")
        if self.top_k < 1 or self.n_folds < 2:
            raise ValueError(f"labels: top_k {self.top_k} wants 1 or more, n_folds {self.n_folds} 2 or more")


def label_pool(store: Path, stages: Mapping[str, Sequence[str]], config: LabelsConfig, seed: int) -> Done:
    """Write LABELS of the pool: label sets given, cluster_1 (finest) and up, each maker's own, and pseudo.

    `stages` maps ingest, features, neighbors and cluster to their outputs.
    """
    outputs = {stage: [open_output(store / path) for path in paths] for stage, paths in stages.items()}

    def write(writer: OutputWriter) -> None:
        given = given_labels(config.given, outputs)
        clusters = _cluster_labels(outputs["cluster"][0])
        classes = class_names(given)
        if len(classes) < 2:
            spread = [_renamed(clusters[-1], "pseudo")] if clusters else []
        else:
            pool = read_pool(outputs["features"])
            spread = _spread(pool, read_graph(outputs["neighbors"][0]), given, classes, config, seed)
        table = pa.concat_tables([given, *clusters, *spread])
        writer.write(LABELS, table)
        pseudo = table.filter(pc.equal(table["label_set"], "pseudo"))
        n_abstained = pc.sum(pseudo["abstained"]).as_py() or 0
        writer.counts.update(
            n_given=given.num_rows,
            n_classes=len(classes),
            n_labelled=len(pseudo) - n_abstained,
            n_abstained=n_abstained,
        )

    by_file = config.given not in ("found", "none")
    inputs = {
        **{stage: content_fingerprint(found) for stage, found in outputs.items()},
        "config": config,
        "seed": seed,
        "given": file_digest(Path(config.given)) if by_file and Path(config.given).is_file() else None,
    }
    return make_output(store, "pseudo_label", VERSION, inputs, write)


def class_names(labels: pa.Table) -> list[str]:
    """Return the distinct labels: in the order of numbers when all are, otherwise of the alphabet."""
    names = [name for name in pc.unique(labels["label"]).to_pylist() if name is not None]
    numeric = all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=lambda name: (int(name), name) if numeric else (0, name))


def _cluster_labels(output: Output) -> list[pa.Table]:
    """Cluster ids as labels, a table for each level, finest first."""
    assignments = output.read(ASSIGNMENTS)
    n = assignments.num_rows
    tables = []
    for level in range(1, output.counts["n_levels"] + 1):
        names = pc.list_element(assignments["cluster_path"], level - 1).cast(pa.string()).combine_chunks()
        single = pa.array(np.arange(n + 1), pa.int32())
        columns = {
            "sample_id": assignments["sample_id"],
            "label_set": pa.repeat(f"cluster_{level}", n),
            "label": names,
            "classes": pa.ListArray.from_arrays(single, names),
            "probabilities": pa.ListArray.from_arrays(single, pa.repeat(pa.scalar(1.0, pa.float32()), n)),
            "confidence": pa.repeat(pa.scalar(1.0, pa.float32()), n),
            "abstained": pa.repeat(False, n),
            "annotator": pa.repeat("windrow", n),
            "method": pa.repeat(f"hierarchical k-means, level {level}", n),
            "round": pa.repeat(pa.scalar(0, pa.int32()), n),
        }
        tables.append(LABELS.build(columns))
    return tables


def _renamed(table: pa.Table, label_set: str) -> pa.Table:
    names = pa.repeat(label_set, table.num_rows)
    return table.set_column(table.schema.get_field_index("label_set"), table.schema.field("label_set"), names)


def label_makers(
    pool: Pool, graph: NeighborGraph, n_classes: int, makers: Sequence[MakerName]
) -> dict[MakerName, LabelMaker]:
    """Return the makers by name, each a function of labels (n,) and of the rows to predict."""
    every: dict[MakerName, LabelMaker] = {
        "knn": lambda labels, rows: knn_vote(pool.embeddings, labels, n_classes, rows=rows),
        "propagation": lambda labels, rows: label_propagation(graph, labels, n_classes, rows=rows),
        "probe": lambda labels, rows: logistic_probe(pool.embeddings, labels, n_classes, rows=rows),
    }
    return {name: every[name] for name in makers}


def _spread(
    pool: Pool, graph: NeighborGraph, given: pa.Table, classes: Sequence[str], config: LabelsConfig, seed: int
) -> list[pa.Table]:
    """The tables of each maker and of their ensemble, whose confidences are calibrated on left-out labels."""
    labels = pool_labels(pool, given, classes)
    everyone = np.arange(len(labels))
    held_out, predicted = {}, {}
    tables = []
    for name, maker in label_makers(pool, graph, len(classes), config.makers).items():
        out_of_sample = cross_fit(maker, labels, len(classes), config.n_folds, seed)
        temperature = fit_temperature(out_of_sample, labels[labels >= 0])
        held_out[name] = apply_temperature(out_of_sample, temperature)
        predicted[name] = apply_temperature(maker(labels, everyone), temperature)
        tables.append(
            _predictions(pool, predicted[name], classes, name, f"{name}, temperature {temperature:.3f}", config)
        )
    temperature = fit_temperature(ensemble([held_out[name] for name in config.combine]), labels[labels >= 0])
    mean = apply_temperature(ensemble([predicted[name] for name in config.combine]), temperature)
    mean[labels >= 0] = np.eye(len(classes), dtype=np.float32)[labels[labels >= 0]]
    method = f"mean of {', '.join(config.combine)}, temperature {temperature:.3f}; given labels stand"
    return [*tables, _predictions(pool, mean, classes, "pseudo", method, config)]


def pool_labels(pool: Pool, given: pa.Table, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the class of each sample of the pool, -1 where it has no given label."""
    hard = given.filter(pc.is_valid(given["label"]))
    row = pc.index_in(hard["sample_id"].combine_chunks(), pool.sample_ids)
    number = pc.index_in(hard["label"].combine_chunks(), pa.array(classes))
    labels = np.full(len(pool.sample_ids), -1, np.int64)
    there = pc.is_valid(row).to_numpy(zero_copy_only=False)
    labels[np.asarray(row.drop_null())] = np.asarray(number)[there]
    return labels


def _predictions(
    pool: Pool, probabilities: Probabilities, classes: Sequence[str], label_set: str, method: str, config: LabelsConfig
) -> pa.Table:
    n = len(probabilities)
    decision: Decision = decide(probabilities, config.policy)
    top = SparseProbabilities.of(probabilities, min(config.top_k, len(classes)))
    names = pa.array(classes, pa.string())
    offsets = pa.array(np.arange(n + 1) * top.classes.shape[1], pa.int32())
    columns = {
        "sample_id": pool.sample_ids,
        "label_set": pa.repeat(label_set, n),
        "label": names.take(pa.array(decision.label, mask=decision.abstained)),
        "classes": pa.ListArray.from_arrays(offsets, names.take(pa.array(top.classes.reshape(-1)))),
        "probabilities": pa.ListArray.from_arrays(offsets, pa.array(top.probabilities.reshape(-1), pa.float32())),
        "confidence": pa.array(np.clip(decision.confidence, 0, 1), pa.float32()),
        "abstained": pa.array(decision.abstained),
        "annotator": pa.repeat("windrow", n),
        "method": pa.repeat(method, n),
        "round": pa.repeat(pa.scalar(0, pa.int32()), n),
    }
    return LABELS.build(columns)
