"""Labels of more classes than are kept of each sample, through the stages; so few are kept here that three are many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from label_pools import random_pool
from small_features import ids
from small_labels import LabelledPool, write_given, write_labelled_pool

from windrow.schemas import LABELS
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.labels import labeling, predictions
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import predict_labels
from windrow.tasks.labels.predictions_before import LabelsBefore
from windrow.tasks.labels.rows import prediction_rows
from windrow.tasks.labels.rows.prediction_rows import read_held_out, read_listed_held_out
from windrow.tasks.storage.store.outputs import Output, open_output

CLASSES = ["ant", "bee", "cat"]
EMBEDDINGS, GIVEN = random_pool(3, n=240, labelled=60, pull=3)
NAMES = [CLASSES[label] if label >= 0 else None for label in GIVEN]
CONFIG = LabelsConfig(n_folds=3)


@pytest.fixture
def keeps_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (labeling, predictions, prediction_rows):
        monkeypatch.setattr(module, "MOST_CLASSES", 2)


def decided(store: Path, n_shards: int = 1) -> Output:
    pool = write_labelled_pool(store, EMBEDDINGS, NAMES, n_shards)
    cluster = cluster_pool(store, pool.features, ClusteringConfig(n_clusters=(4,), n_rounds=1), 0).path
    said = [predict(store, pool, maker).path for maker in CONFIG.makers]
    made = replace(pool.made, cluster=(cluster,), predictions=tuple(str(each.relative_to(store)) for each in said))
    return open_output(store / decide_labels(store, made, CONFIG, 0).path)


def predict(store: Path, pool: LabelledPool, maker: str, before: LabelsBefore | None = None) -> Output:
    return open_output(store / predict_labels(store, pool.made, maker, CONFIG, BackboneConfig(), 0, before).path)


def pseudo(output: Output) -> pa.Table:
    table = output.read(LABELS)
    return table.filter(pc.equal(table["label_set"], "pseudo"))


@pytest.mark.usefixtures("keeps_two")
def test_labels_of_many_classes_are_nearly_those_of_few_and_the_same_for_any_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = decided(tmp_path / "one"), decided(tmp_path / "other", 3)
    assert one.digest == other.digest and one.inputs["listed"] == 1
    monkeypatch.undo()
    of_all = decided(tmp_path / "all")
    assert "listed" not in of_all.inputs
    listed, dense = pseudo(one), pseudo(of_all)
    assert np.mean([a == b for a, b in zip(first(listed), first(dense), strict=True)]) > 0.97
    sure = np.abs(listed["confidence"].to_numpy() - dense["confidence"].to_numpy())
    assert np.mean(sure) < 0.05
    given = [label for label, name in zip(listed["label"].to_pylist(), NAMES, strict=True) if name is not None]
    assert given == [name for name in NAMES if name is not None]
    totals = [sum(shares) for shares in listed["probabilities"].to_pylist()]
    assert max(totals) <= 1 + 1e-5 and all(len(set(each)) == len(each) for each in listed["classes"].to_pylist())


def first(table: pa.Table) -> list[str]:
    return [classes[0] for classes in table["classes"].to_pylist()]


@pytest.mark.usefixtures("keeps_two")
def test_what_was_judged_stays_and_what_came_is_judged_by_the_others(tmp_path: Path) -> None:
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    known = [row for row, name in enumerate(NAMES) if name is not None]
    fewer = write_given(tmp_path, [ids(240)[row] for row in known[:-2]], [NAMES[row] for row in known[:-2]])
    earlier = predict(tmp_path, replace(pool, given=fewer), "smoothed")
    before = LabelsBefore({"smoothed": str(earlier.path.relative_to(tmp_path))}, fewer)
    now = predict(tmp_path, pool, "smoothed", before)
    assert now.inputs["earlier"] == before.predictions["smoothed"]
    assert read_listed_held_out(now).shape == (60, 3)
    np.testing.assert_array_equal(read_held_out(now)[:-2], read_held_out(earlier))
    np.testing.assert_allclose(read_held_out(now).sum(axis=1), 1, atol=1e-5)
