"""Predictions of each label maker: stored whole, made once, the same for any shards."""

from pathlib import Path

import numpy as np
import pytest
from label_pools import random_pool
from small_labels import LabelledPool, write_labelled_pool

from windrow.schemas import PREDICTIONS
from windrow.tasks.algorithms.label_makers import CLUSTERERS, LEARNERS, MakerName
from windrow.tasks.algorithms.label_spreading import predict
from windrow.tasks.algorithms.named_makers import maker
from windrow.tasks.algorithms.neighbors import neighbor_graph
from windrow.tasks.algorithms.maker_settings import MakerSettings
from windrow.tasks.backbones.protocol import BackboneConfig
from windrow.tasks.stages import prediction_rows as rows
from windrow.tasks.stages.prediction_rows import read_held_out, read_rounds
from windrow.tasks.stages.predictions import Prediction, predict_labels
from windrow.tasks.storage.outputs import Done, Output, open_output

CLASSES = ["ant", "bee", "cat"]
EMBEDDINGS, LABELS = random_pool(3, n=120, labelled=40)
NAMES = [CLASSES[label] if label >= 0 else None for label in LABELS]


def run(store: Path, pool: LabelledPool, name: MakerName = "probe", n_folds: int = 4) -> Done:
    return predict_labels(store, pool.features, pool.neighbors, pool.given, name, n_folds, 0)


def output_of(store: Path, n_shards: int = 1, name: MakerName = "probe") -> Output:
    return open_output(store / run(store, write_labelled_pool(store, EMBEDDINGS, NAMES, n_shards), name).path)


@pytest.mark.parametrize("name", MAKERS)
def test_shards_do_not_change_what_a_maker_says(tmp_path: Path, name: MakerName) -> None:
    one, many = (output_of(tmp_path / str(n), n, name) for n in (1, 3))
    assert one.digest == many.digest
    assert one.counts == {"n_predictions": 120}


def test_what_is_read_back_is_what_the_maker_said(tmp_path: Path) -> None:
    pool, held_out = read_predictions(output_of(tmp_path), CLASSES)
    half = EMBEDDINGS.astype(np.float16)
    said = predict(maker("probe", half, neighbor_graph(half, 10), 3), LABELS, 3, 4, 0)
    assert np.array_equal(pool, said.pool)
    assert np.array_equal(held_out, said.held_out)


def test_only_labelled_samples_have_predictions_by_the_labels_of_others(tmp_path: Path) -> None:
    table = output_of(tmp_path).read(PREDICTIONS)
    there = table["held_out_classes"].is_valid().to_numpy()
    assert np.array_equal(there, LABELS >= 0)
    assert np.array_equal(table["held_out_probabilities"].is_valid().to_numpy(), there)


def test_of_many_classes_the_most_probable_are_kept_and_share_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = read_predictions(output_of(tmp_path / "a"), CLASSES)
    monkeypatch.setattr(stage, "MOST_CLASSES", 1)
    first, held_out = read_predictions(output_of(tmp_path / "b"), CLASSES)
    assert np.array_equal(first.argmax(axis=1), whole.argmax(axis=1))
    assert first.max(axis=1) == pytest.approx(whole.max(axis=1))
    assert np.sort(first, axis=1)[:, 0] == pytest.approx((1 - whole.max(axis=1)) / 2, abs=1e-6)
    assert held_out.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_the_same_maker_on_the_same_labels_is_found_done_and_other_folds_or_labels_are_not(tmp_path: Path) -> None:
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    assert [run(tmp_path, pool).found for _ in range(2)] == [False, True]
    assert not run(tmp_path, pool, "knn").found
    assert not run(tmp_path, pool, n_folds=5).found
    fewer = write_labelled_pool(tmp_path, EMBEDDINGS, [name if i % 2 else None for i, name in enumerate(NAMES)])
    assert fewer.features == pool.features
    assert not run(tmp_path, fewer).found
