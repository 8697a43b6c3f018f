"""Pseudo-labels: what the clusters say, and what a few given labels say about the rest of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import ASSIGNMENTS, LABELS
from windrow.tasks.algorithms.label_makers import MAKERS, MakerName
from windrow.tasks.algorithms.label_policy import LabelPolicyConfig, decide
from windrow.tasks.algorithms.sparse_probabilities import SparseProbabilities
from windrow.tasks.stages.given_labels import class_names, pool_labels
from windrow.tasks.stages.label_checks_config import LabelChecksConfig
from windrow.tasks.stages.predictions import read_predictions
from windrow.tasks.storage.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
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
    propagation, probe, prototypes, smoothed, naive_bayes, spectral, transductive, transport (LABELS.md says which is
    for what). `combine`: those whose weighted mean is the label set 'pseudo'. `policy`: when to abstain. `top_k`:
    classes kept for each sample. `n_folds`: of the cross-fit that weighs the makers and calibrates the confidences.
    `checks`: how the given labels are judged (the tables `label_quality` and `label_checks`).
    With labels of fewer than two classes, 'pseudo' holds the coarsest clusters.
    """

    given: str = "found"
    makers: tuple[MakerName, ...] = ("propagation", "probe", "smoothed")
    combine: tuple[MakerName, ...] = ("propagation", "probe", "smoothed")
    policy: LabelPolicyConfig = field(default_factory=LabelPolicyConfig)
    top_k: int = 5
    n_folds: int = 5
    checks: LabelChecksConfig = field(default_factory=LabelChecksConfig)

    def __post_init__(self) -> None:
        if not self.makers or not set(self.makers) <= set(MAKERS):
            raise ValueError(f"labels.makers: wants some of {', '.join(MAKERS)}, got {self.makers}")
        if not self.combine or not set(self.combine) <= set(self.makers):
            raise ValueError(f"labels.combine: wants some of the makers {self.makers}, got {self.combine}")
        if self.top_k < 1 or self.n_folds < 2:
            raise ValueError(f"labels: top_k {self.top_k} wants 1 or more, n_folds {self.n_folds} 2 or more")


def decide_labels(store: Path, stages: Mapping[str, Sequence[str]], config: LabelsConfig) -> Done:
    """Write LABELS of the pool: label sets cluster_1 (finest) and up, each maker's own, and pseudo.

    `stages` maps features, cluster, given_labels and predictions to their outputs; predictions to none where the given
    labels have fewer than two classes. The counts are n_labelled and n_abstained, of the label set pseudo.
    """
    outputs = {stage: [open_output(store / path) for path in paths] for stage, paths in stages.items()}

    def write(writer: OutputWriter) -> None:
        given = outputs["given_labels"][0].read(LABELS)
        clusters = _cluster_labels(outputs["cluster"][0])
        classes = class_names(given)
        if len(classes) < 2:
            spread = [_renamed(clusters[-1], "pseudo")] if clusters else []
        else:
            pool = read_pool(outputs["features"])
            spread = _spread(pool, outputs["predictions"], pool_labels(pool, given, classes), classes, config)
        table = pa.concat_tables([LABELS.schema().empty_table(), *clusters, *spread])
        writer.write(LABELS, table)
        pseudo = table.filter(pc.equal(table["label_set"], "pseudo"))
        n_abstained = pc.sum(pseudo["abstained"]).as_py() or 0
        writer.counts.update(n_labelled=len(pseudo) - n_abstained, n_abstained=n_abstained)

    decisions = {name: getattr(config, name) for name in ("combine", "policy", "top_k")}
    inputs = {**{stage: content_fingerprint(found) for stage, found in outputs.items()}, **decisions}
    return make_output(store, "pseudo_label", VERSION, inputs, write)


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
    predictions: Sequence[Output],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    config: LabelsConfig,
) -> list[pa.Table]:
    """The tables of each maker and of what they say together."""
    from windrow.tasks.algorithms.label_spreading import MakerPredictions, combine_predictions

    made = {name: MakerPredictions(*read_predictions(each, classes)) for name, each in _by_maker(predictions).items()}
    spread = combine_predictions(made, labels, config.combine)
    tables = [
        _predictions(pool, values, classes, name, f"{name}, temperature {spread.temperatures[name]:.3f}", config)
        for name, values in spread.makers.items()
    ]
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in spread.weights.items())
    method = f"weighted mean of {weights}, calibrated by class and to the pool's shares; given labels stand"
    return [*tables, _predictions(pool, spread.confidence, classes, "pseudo", method, config, spread.label)]


def _by_maker(predictions: Sequence[Output]) -> dict[MakerName, Output]:
    return {output.inputs["maker"]: output for output in predictions}


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
