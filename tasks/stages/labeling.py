"""Pseudo-labels: what the clusters say, and what a few given labels say about the rest of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ASSIGNMENTS, DYNAMICS_SCORES, LABEL_QUALITY, LABELS
from windrow.tasks.algorithms.label_makers import MAKERS, MakerName
from windrow.tasks.algorithms.label_policy import LabelPolicyConfig, decide
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

VERSION = 4

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelsConfig:
    """Where labels come from and when a pseudo-label is sure enough.

    `given`: 'found' (labels that came with samples), 'none', or a Parquet or CSV file with columns `label` and
    `sample_id` (or `key`). `makers`: methods that spread them over the pool, each into a label set of its name: knn,
    propagation, probe, prototypes, smoothed, smoothed_probe, naive_bayes, spectral, transductive, transport (LABELS.md
    says which is for what). `combine`: those whose weighted mean is the label set 'pseudo'. `policy`: when to abstain.
    `top_k`: classes kept for each sample. `n_folds`: of the cross-fit that weighs the makers and calibrates the
    confidences.
    `check_given`: judge the given labels too (the table `label_quality`).
    `dynamics`: a Parquet file of what a training job recorded of samples by their `sample_index` (int64, the
    registry's): `loss` (a number, or a list of one for each epoch), or `logits` or `probabilities` (a list over the
    classes, or a list of those, one for each epoch), with the names of the classes as a JSON list under `class_names`
    in the schema's metadata. The given labels of those samples are judged by it (the table `dynamics_scores`).
    With labels of fewer than two classes, 'pseudo' holds the coarsest clusters.
    """

    given: str = "found"
    makers: tuple[MakerName, ...] = ("propagation", "smoothed", "smoothed_probe")
    combine: tuple[MakerName, ...] = ("propagation", "smoothed", "smoothed_probe")
    policy: LabelPolicyConfig = field(default_factory=LabelPolicyConfig)
    top_k: int = 5
    n_folds: int = 5
    check_given: bool = True
    dynamics: str | None = None

    def __post_init__(self) -> None:
        if not self.makers or not set(self.makers) <= set(MAKERS):
            raise ValueError(f"labels.makers: wants some of {', '.join(MAKERS)}, got {self.makers}")
        if not self.combine or not set(self.combine) <= set(self.makers):
            raise ValueError(f"labels.combine: wants some of the makers {self.makers}, got {self.combine}")
        if self.top_k < 1 or self.n_folds < 2:
            raise ValueError(f"labels: top_k {self.top_k} wants 1 or more, n_folds {self.n_folds} 2 or more")


def label_pool(store: Path, stages: Mapping[str, Sequence[str]], config: LabelsConfig, seed: int) -> Done:
    """Write LABELS of the pool: label sets given, cluster_1 (finest) and up, each maker's own, and pseudo; and
    LABEL_QUALITY and DYNAMICS_SCORES of the given ones.

    `stages` maps ingest, features, neighbors and cluster to their outputs.
    """
    outputs = {stage: [open_output(store / path) for path in paths] for stage, paths in stages.items()}

    def write(writer: OutputWriter) -> None:
        from windrow.tasks.stages.imported_dynamics import imported_dynamics
        from windrow.tasks.stages.label_checks import check_labels

        given = given_labels(config.given, outputs)
        scored = DYNAMICS_SCORES.schema().empty_table()
        if config.dynamics is not None:
            scored = imported_dynamics(Path(config.dynamics), store, given)
        clusters = _cluster_labels(outputs["cluster"][0])
        classes = class_names(given)
        checked = LABEL_QUALITY.schema().empty_table()
        if len(classes) < 2:
            spread = [_renamed(clusters[-1], "pseudo")] if clusters else []
        else:
            pool = read_pool(outputs["features"])
            labels = pool_labels(pool, given, classes)
            spread = _spread(pool, read_graph(outputs["neighbors"][0]), labels, classes, config, seed)
            checked = check_labels(pool, labels, classes, config.n_folds, seed) if config.check_given else checked
        table = pa.concat_tables([given, *clusters, *spread])
        writer.write(LABELS, table)
        writer.write(LABEL_QUALITY, checked)
        writer.write(DYNAMICS_SCORES, scored)
        pseudo = table.filter(pc.equal(table["label_set"], "pseudo"))
        n_abstained = pc.sum(pseudo["abstained"]).as_py() or 0
        writer.counts.update(
            n_given=given.num_rows,
            n_classes=len(classes),
            n_checked=checked.num_rows,
            n_dynamics_scores=scored.num_rows,
            n_labelled=len(pseudo) - n_abstained,
            n_abstained=n_abstained,
        )

    by_file = config.given not in ("found", "none")
    dynamics = Path(config.dynamics) if config.dynamics is not None else None
    inputs = {
        **{stage: content_fingerprint(found) for stage, found in outputs.items()},
        "config": config,
        "seed": seed,
        "dynamics": file_digest(dynamics) if dynamics is not None and dynamics.is_file() else None,
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
            "weight": pa.repeat(pa.scalar(1.0, pa.float32()), n),
            "annotator": pa.repeat("windrow", n),
            "method": pa.repeat(f"hierarchical k-means, level {level}", n),
            "round": pa.repeat(pa.scalar(0, pa.int32()), n),
        }
        tables.append(LABELS.build(columns))
    return tables


def _renamed(table: pa.Table, label_set: str) -> pa.Table:
    names = pa.repeat(label_set, table.num_rows)
    return table.set_column(table.schema.get_field_index("label_set"), table.schema.field("label_set"), names)


def _spread(
    pool: Pool,
    graph: NeighborGraph,
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    config: LabelsConfig,
    seed: int,
) -> list[pa.Table]:
    """The tables of each maker and of what they say together."""
    from windrow.tasks.algorithms.label_spreading import spread_labels

    spread = spread_labels(
        pool.embeddings, graph, labels, len(classes), config.makers, config.combine, config.n_folds, seed
    )
    tables = [
        _predictions(pool, values, classes, name, f"{name}, temperature {spread.temperatures[name]:.3f}", config)
        for name, values in spread.makers.items()
    ]
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in spread.weights.items())
    method = f"weighted mean of {weights}, calibrated by class and to the pool's shares; given labels stand"
    return [*tables, _predictions(pool, spread.confidence, classes, "pseudo", method, config, spread.label)]


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
    pool: Pool,
    probabilities: Probabilities,
    classes: Sequence[str],
    label_set: str,
    method: str,
    config: LabelsConfig,
    predicted: npt.NDArray[np.int64] | None = None,
) -> pa.Table:
    n = len(probabilities)
    decision = decide(probabilities, config.policy, predicted)
    top = _top(probabilities, predicted, min(config.top_k, len(classes)))
    names = pa.array(classes, pa.string())
    offsets = pa.array(np.arange(n + 1) * top.shape[1], pa.int32())
    values = np.take_along_axis(probabilities, top, axis=1).reshape(-1)
    columns = {
        "sample_id": pool.sample_ids,
        "label_set": pa.repeat(label_set, n),
        "label": names.take(pa.array(decision.label, mask=decision.abstained)),
        "classes": pa.ListArray.from_arrays(offsets, names.take(pa.array(top.reshape(-1)))),
        "probabilities": pa.ListArray.from_arrays(offsets, pa.array(values, pa.float32())),
        "confidence": pa.array(np.clip(decision.confidence, 0, 1), pa.float32()),
        "abstained": pa.array(decision.abstained),
        "weight": pa.array(decision.weight),
        "annotator": pa.repeat("windrow", n),
        "method": pa.repeat(method, n),
        "round": pa.repeat(pa.scalar(0, pa.int32()), n),
    }
    return LABELS.build(columns)


def _top(probabilities: Probabilities, predicted: npt.NDArray[np.int64] | None, k: int) -> npt.NDArray[np.int64]:
    """The k most probable classes (n, k) of each row, after what is predicted in their stead."""
    if predicted is None:
        return SparseProbabilities.of(probabilities, k).classes
    raised = probabilities.copy()
    raised[np.arange(len(raised)), predicted] += 1
    return SparseProbabilities.of(raised, k).classes
