"""Predictions of each label maker: stored whole, made once, the same for any shards."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from label_pools import random_pool
from small_labels import LabelledPool, write_given, write_labelled_pool

from windrow.schemas import EMBEDDINGS as EMBEDDING_TABLE
from windrow.schemas import OCCURRENCES, PREDICTIONS
from windrow.tasks.algorithms.labels.all_makers import MAKERS, MakerSettings
from windrow.tasks.algorithms.labels.label_spreading import predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import makers_of, predict_labels
from windrow.tasks.labels.rows import prediction_rows as rows
from windrow.tasks.labels.rows.prediction_rows import read_held_out, read_rounds
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output

CLASSES = ["ant", "bee", "cat"]
EMBEDDINGS, LABELS = random_pool(3, n=120, labelled=40)
NAMES = [CLASSES[label] if label >= 0 else None for label in LABELS]


def run(store: Path, pool: LabelledPool, name: str = "probe", **config: Any) -> Done:
    wanted = LabelsConfig(makers=(name,), combine=(name,), **{"n_folds": 4, **config})
    return predict_labels(store, pool.made, name, wanted, BackboneConfig(), 0)


def output_of(store: Path, n_shards: int = 1, name: str = "probe") -> Output:
    return open_output(store / run(store, write_labelled_pool(store, EMBEDDINGS, NAMES, n_shards), name).path)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("zero_shot", "sources")])
def test_shards_do_not_change_what_a_maker_says(tmp_path: Path, name: str) -> None:
    one, many = (output_of(tmp_path / str(n), n, name) for n in (1, 3))
    assert one.digest == many.digest
    assert one.counts == {"n_predictions": 120 * len(read_rounds(one))}


def test_what_is_read_back_is_what_the_maker_said(tmp_path: Path) -> None:
    output = output_of(tmp_path)
    (pool,), held_out = read_rounds(output), read_held_out(output)
    half = EMBEDDINGS.astype(np.float16)
    said = predict(MAKERS["probe"]().fit(LabelPool(half, 3)), LABELS, 3, 4, 0)
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
    (whole,) = read_rounds(output_of(tmp_path / "a"))
    monkeypatch.setattr(rows, "MOST_CLASSES", 1)
    output = output_of(tmp_path / "b")
    (first,), held_out = read_rounds(output), read_held_out(output)
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


def test_settings_of_a_maker_reach_it_and_only_its_own_make_it_predict_anew(tmp_path: Path) -> None:
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    first = run(tmp_path, pool, "knn")
    assert run(tmp_path, pool, "knn", settings=MakerSettings(probe=MAKERS["probe"](l2=0.5))).found
    other = run(tmp_path, pool, "knn", settings=MakerSettings(knn=MAKERS["knn"](k=1)))
    assert not other.found
    assert open_output(tmp_path / first.path).digest != open_output(tmp_path / other.path).digest


def test_the_rounds_of_an_iterative_maker_are_kept_and_the_last_one_is_judged(tmp_path: Path) -> None:
    iterative = MAKERS["iterative"](n_rounds=2)
    settings = MakerSettings(iterative=iterative)
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    output = open_output(tmp_path / run(tmp_path, pool, "iterative", settings=settings).path)
    rounds = read_rounds(output)
    assert len(rounds) == 3 and output.counts == {"n_predictions": 360}
    half = EMBEDDINGS.astype(np.float16)
    said = predict(iterative.fit(LabelPool(half, 3)), LABELS, 3, 4, 0)
    assert rounds[-1] == pytest.approx(said.pool, abs=1e-6)
    assert np.array_equal(read_held_out(output), said.held_out)
    table = output.read(PREDICTIONS)
    assert table.filter(pc.less(table["round"], 2))["held_out_classes"].null_count == 240


@pytest.mark.parametrize("name", [name for name in MAKERS if issubclass(MAKERS[name], Clusterer) and name != "sources"])
def test_without_labels_clusters_are_named_by_their_numbers(tmp_path: Path, name: str) -> None:
    maker = MAKERS[name](n_clusters=4)
    settings = MakerSettings(**{name: maker})
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, [None] * len(EMBEDDINGS))
    output = open_output(tmp_path / run(tmp_path, pool, name, settings=settings).path)
    half = EMBEDDINGS.astype(np.float16)
    said = maker.clusters(LabelPool(half, 4, neighbor_graph(half, 10)), 4).dense()
    assert np.array_equal(read_rounds(output)[0], said)
    assert output.inputs["classes"] == ["0", "1", "2", "3"]
    assert output.read(PREDICTIONS)["held_out_classes"].null_count == 120


def test_without_labels_a_number_of_clusters_must_be_given(tmp_path: Path) -> None:
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, [None] * len(EMBEDDINGS))
    with pytest.raises(ValueError, match=r"labels.settings.scan.n_clusters: wants a number"):
        run(tmp_path, pool, "scan")


def test_only_makers_that_need_no_labels_predict_without_them(tmp_path: Path) -> None:
    config = LabelsConfig(makers=("probe", "scan", "zero_shot", "sources"), combine=("probe",))
    names = [None, "cat", "dog"]
    none, two = (open_output(tmp_path / write_given(tmp_path, ["a", "b"], pair)) for pair in (names[:2], names[1:]))
    assert makers_of(config, none) == ["scan", "zero_shot", "sources"]
    assert makers_of(config, two) == list(config.makers)


def write_places(store: Path, sample_ids: list[str], sources: list[str]) -> str:
    n = len(sample_ids)

    def write(writer: OutputWriter) -> None:
        columns = {
            "occurrence_id": [f"o{i}" for i in range(n)],
            "sample_id": sample_ids,
            "source_uri": sources,
            "kind": ["file"] * n,
            "shard": [""] * n,
            "position": list(range(n)),
            "key": [str(i) for i in range(n)],
        }
        writer.write(OCCURRENCES, OCCURRENCES.build(columns))

    return make_output(store, "ingest", 1, {"sources": sources}, write).path


def test_sources_tell_classes_apart_and_come_from_where_samples_were_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=400)
    vectors = (3 * np.eye(6)[truth] + rng.normal(size=(400, 6))).astype(np.float32)
    # One source has four times as many of one class, the other of the other.
    seen = np.where(rng.random(400) < 0.8, truth, 1 - truth)
    names = [CLASSES[c] if n < 8 else None for n, c in enumerate(truth)]
    pool = write_labelled_pool(tmp_path, vectors, names)
    ids = pa.table(open_output(tmp_path / pool.features[0]).read(EMBEDDING_TABLE))["sample_id"].to_pylist()
    made = replace(pool.made, ingest=(write_places(tmp_path, ids, [f"s3://{s}" for s in seen]),))
    config = LabelsConfig(makers=("sources",), combine=("sources",), n_folds=2)
    done = predict_labels(tmp_path, made, "sources", config, BackboneConfig(), 0)
    (said,) = read_rounds(open_output(tmp_path / done.path))
    assert (said.argmax(axis=1) == truth).mean() > 0.9


def test_a_backbone_without_texts_cannot_be_asked_by_class_names(tmp_path: Path) -> None:
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    with pytest.raises(ValueError, match=r"features.name: zero_shot wants a model with texts"):
        run(tmp_path, pool, "zero_shot")
