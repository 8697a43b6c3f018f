"""Further label sets and soft labels reach the trainer in every format, as they are in the store."""

import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from begun_store import begin_store
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.schemas.exported import LABELLED
from windrow.schemas.joined_pool import REST_SQL
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.conversion.all_formats import FORMATS
from windrow.tasks.conversion.converted_version import convert_version
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.soft_arrays import SoftLabels
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import Version, latest_version, read_manifest
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.storage.verify.verification import verify

N = 40
FURTHER = ("most_probable", "given", "propagation", "cluster_1")
SOFT = {"soft_label": "pseudo", "most_probable_soft_label": "most_probable", "propagation_soft_label": "propagation"}


class Made(NamedTuple):
    config: CurationConfig
    run: Run
    version: Version


def config_of(folder: Path, store: Path, **export: Any) -> CurationConfig:
    source = folder / "pool"
    if not source.exists():
        source.mkdir(parents=True)
        labels = [("b", "a", "c")[seed % 3] if seed % 4 else None for seed in range(N)]
        pq.write_table(
            pa.table({"image": [png(stripes(seed)) for seed in range(N)], "label": labels}), source / "0.parquet"
        )
    values = {
        "sources": [str(source)],
        "name": "soft",
        "store": str(store),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [6, 2], "n_rounds": 1},
        "labels": {"policy": {"policy": "self-adaptive"}, "n_folds": 3, "top_k": 2, "least_belonging": 0},
        "selection": {
            "target_size": 30,
            "drop_near_duplicates": False,
            "splits": [{"name": "train", "share": 0.7}, {"name": "val", "share": 0.3}],
        },
        "export": {"samples_per_shard": 7, "label_sets": list(FURTHER), **export},
        "worth": {"holdout_share": 0},
    }
    return parse_config(values)


def made_by(config: CurationConfig) -> Made:
    run = curate_inline(config)
    version = latest_version(run.store, "soft")
    assert version is not None
    return Made(config, run, version)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("soft")
    return made_by(config_of(folder, folder / "store", soft_labels="probabilities"))


def made_anew(made: Made, folder: Path, **export: Any) -> Made:
    """What another export makes of the same pool, in a store of its own that begins with what the first had made."""
    store = begin_store(folder / "store", made.run.store)
    return made_by(config_of(made.run.store.parent, store, **export))


def in_parquet(version: Path) -> dict[str, dict[str, Any]]:
    files = sorted((version / "parquet").glob("*.parquet"))
    return {row["sample_id"]: row for path in files for row in pq.read_table(path).to_pylist()}


def in_tars(version: Path) -> dict[str, dict[str, Any]]:
    rows = {}
    for path in sorted((version / "webdataset").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    row = json.loads(tar.extractfile(member).read())  # type: ignore[union-attr]
                    rows[row["sample_id"]] = row
    return rows


def in_batches(version: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    rows = {}
    for split in ("train", "val"):
        for _, _, info in data_loader(version, split, unlabelled="keep", columns=["sample_id", *names], batch_size=5):
            values = {name: each.numpy() if torch.is_tensor(each) else each for name, each in info.items()}
            rows |= {
                info["sample_id"][at]: {name: each[at] for name, each in values.items()}
                for at in range(len(info["sample_id"]))
            }
    return rows


def soft_in_store(run: Run) -> dict[tuple[str, str], Any]:
    with open_catalog(run.store) as catalog:
        return {(name, said_by): values for name, said_by, values in catalog.sql("FROM soft_labels").fetchall()}


def test_what_further_label_sets_say_is_in_every_format_as_the_store_has_it(made: Made) -> None:
    names = [column.name for column in LABELLED]
    asked = ", ".join(REST_SQL.format("l") if name == "rest_probability" else f"l.{name}" for name in names)
    version = made.version.path
    parquet, tars = in_parquet(version), in_tars(version)
    samples = {row["sample_id"]: row for row in pq.read_table(version / "samples.parquet").to_pylist()}
    with open_catalog(made.run.store) as catalog:
        for label_set in FURTHER:
            joined = "LEFT JOIN (FROM labels WHERE label_set = ?) l USING (sample_id)"
            sql = f"SELECT c.sample_id, {asked} FROM curated c {joined}"
            for sample_id, *said in catalog.sql(sql, params=[label_set]).fetchall():
                wanted = {f"{label_set}_{name}": value for name, value in zip(names, said, strict=True)}
                for rows in (parquet, tars, samples):
                    assert {name: rows[sample_id][name] for name in wanted} == wanted
    assert len({row["given_label"] for row in samples.values()}) == 4
    assert {row["propagation_annotator"] for row in samples.values()} == {"windrow"}
    assert all(row["cluster_1_label"] == str(row["cluster_path"][0]) for row in samples.values())


def test_every_class_of_a_soft_label_is_in_every_format_as_the_store_has_it(made: Made) -> None:
    version, store = made.version.path, soft_in_store(made.run)
    parquet, tars, batches = in_parquet(version), in_tars(version), in_batches(version, list(SOFT))
    assert len(parquet) == len(tars) == len(batches) == 30
    assert pq.read_schema(next((version / "parquet").glob("*.parquet"))).field("soft_label").type == pa.list_(
        pa.float16()
    )
    for column, label_set in SOFT.items():
        for sample_id, row in parquet.items():
            wanted = np.array(store[sample_id, label_set], np.float16)
            assert wanted.shape == (3,) and abs(float(wanted.astype(np.float64).sum()) - 1) < 2e-3
            for found in (row[column], tars[sample_id][column], batches[sample_id][column]):
                np.testing.assert_array_equal(np.array(found, np.float16), wanted)
    assert "given_soft_label" not in parquet[sample_id] and "cluster_1_soft_label" not in parquet[sample_id]


def test_the_first_classes_and_what_is_left_are_those_of_the_soft_label(made: Made) -> None:
    classes = read_manifest(made.version.path)["classes"]
    for row in in_parquet(made.version.path).values():
        soft = dict(zip(classes, row["soft_label"], strict=True))
        assert len(row["classes"]) == 2
        for name, probability in zip(row["classes"], row["probabilities"], strict=True):
            assert abs(soft[name] - probability) < 1e-3
        left = sum(soft[name] for name in classes if name not in row["classes"])
        assert abs(row["rest_probability"] - left) < 2e-3


def test_the_softmax_of_logits_by_the_temperature_is_the_stored_probabilities(made: Made, tmp_path: Path) -> None:
    logits = made_anew(made, tmp_path, soft_labels="logits")
    told, store = read_manifest(logits.version.path)["label_sets"], soft_in_store(logits.run)
    assert store == soft_in_store(made.run)
    columns = {name.replace("soft_label", "logits"): label_set for name, label_set in SOFT.items()}
    temperatures = {label_set: told[label_set]["temperature"] for label_set in columns.values()}
    assert temperatures["pseudo"] == 1 and abs(temperatures["propagation"] - 1) > 0.01
    parquet, batches = in_parquet(logits.version.path), in_batches(logits.version.path, list(columns))
    for column, label_set in columns.items():
        for sample_id, row in parquet.items():
            np.testing.assert_array_equal(batches[sample_id][column], np.array(row[column], np.float32))
            soft = torch.tensor(row[column], dtype=torch.float64).div(temperatures[label_set]).softmax(0)
            assert abs(soft.numpy() - store[sample_id, label_set]).max() < 1e-3


def test_the_manifest_tells_how_each_label_set_was_made(made: Made) -> None:
    manifest = read_manifest(made.version.path)
    told = manifest["label_sets"]
    assert list(told) == ["pseudo", "most_probable", "propagation"]
    with open_catalog(made.run.store) as catalog:
        rows = catalog.sql(
            "SELECT label_set, method, classes, prior, thresholds, temperature FROM label_sets"
        ).fetchall()
    for name, method, classes, prior, thresholds, temperature in rows:
        if name in told:
            by_class = [each and dict(zip(classes, each, strict=True)) for each in (prior, thresholds)]
            assert list(told[name].values()) == [method, temperature, classes, *by_class]
    assert manifest["classes"] == told["pseudo"]["classes"] == ["a", "b", "c"]
    assert abs(sum(told["pseudo"]["prior"].values()) - 1) < 1e-9 and told["propagation"]["prior"] is None
    thresholds = told["pseudo"]["thresholds"]
    assert len(set(thresholds.values())) > 1
    with open_catalog(made.run.store) as catalog:
        decided = catalog.sql(
            "SELECT classes[1], confidence, abstained FROM labels"
            " WHERE label_set = 'pseudo' AND sample_id NOT IN (SELECT sample_id FROM labels WHERE label_set = 'given')"
        ).fetchall()
    assert len(decided) > 5
    assert all(abstained == (confidence < thresholds[name]) for name, confidence, abstained in decided)


def test_a_version_with_soft_labels_is_sound_and_a_damaged_one_is_told(made: Made, tmp_path: Path) -> None:
    assert not verify(made.run.store).damage
    (soft,) = {path.parent for path in made.version.path.glob("soft_labels/0-pseudo/train-*.npy")}
    damaged = tmp_path / "version"
    damaged.mkdir()
    for path in made.version.path.rglob("*"):
        if path.is_file():
            target = damaged / path.relative_to(made.version.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    hurt = damaged / soft.relative_to(made.version.path) / "train-000000.npy"
    hurt.write_bytes(hurt.read_bytes()[:-2])
    assert any("train-000000.npy" in str(each) for each in verify(damaged).damage)


def test_the_card_lets_datasets_read_what_is_beside(made: Made) -> None:
    datasets = pytest.importorskip("datasets")
    for layout in ("parquet", "webdataset"):
        rows = datasets.load_dataset(str(made.version.path / layout))["train"]
        row = rows[0]["json"] if layout == "webdataset" else rows[0]
        expected = in_parquet(made.version.path)[row["sample_id"]]
        assert row["most_probable_label"] == expected["most_probable_label"]
        found = (np.array(each["propagation_soft_label"], np.float16) for each in (row, expected))
        np.testing.assert_array_equal(*found)


def test_soft_labels_go_with_fractions_and_several_versions(made: Made) -> None:
    wanted = {key: row["soft_label"] for key, row in in_parquet(made.version.path).items()}
    path = made.version.path
    for version, settings in ((path, {"label_fraction": 0.5}), ({path: 0.5, path.parent / "v0001": 0.5}, {})):
        loader = data_loader(version, columns=["sample_id", "soft_label"], batch_size=4, workers=1, **settings)  # type: ignore[arg-type]
        for _, _, info in loader:
            expected = np.array([wanted[name] for name in info["sample_id"]], np.float32)
            np.testing.assert_array_equal(info["soft_label"].numpy(), expected)


def test_a_version_with_further_label_sets_is_mixed_with_one_that_has_none(made: Made, tmp_path: Path) -> None:
    plain = made_anew(made, tmp_path, label_sets=[]).version.path
    loader = data_loader({made.version.path: 0.5, plain: 0.5}, columns=["given_label_weight", "label_weight"])
    weights = torch.cat([info["given_label_weight"] for _, _, info in loader])
    assert 0 < int(weights.isnan().sum()) < len(weights)


def test_a_label_set_without_soft_labels_is_told(made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="windrow")
    made_anew(made, tmp_path, soft_labels="probabilities")
    assert any(
        "export.soft_labels: no maker made given, cluster_1 of classes: without soft labels" in each.message
        for each in caplog.records
    )


def test_beside_clusters_soft_labels_are_in_the_order_of_their_own_classes(made: Made, tmp_path: Path) -> None:
    made = made_anew(made, tmp_path, label_set="cluster_1", label_sets=["pseudo"], soft_labels="probabilities")
    manifest, store = read_manifest(made.version.path), soft_in_store(made.run)
    assert (manifest["classes"], manifest["label_sets"]["pseudo"]["classes"]) == ([], ["a", "b", "c"])
    for sample_id, row in in_parquet(made.version.path).items():
        assert row["pseudo_soft_label"] == store[sample_id, "pseudo"]


def test_a_class_that_no_sample_got_has_its_share(made: Made, tmp_path: Path) -> None:
    (output,) = [each for each in made.run.outputs("pseudo_label") if "soft_labels.parquet" in each.files]
    told = {"pseudo": {"classes": ["a", "b", "c"], "temperature": 1.0}}
    config = ExportConfig(soft_labels="probabilities")
    store = soft_in_store(made.run)
    ids = sorted({name for name, _ in store})[::-1]
    for classes, wanted in ((["a", "b"], 3), (["a", "aa", "b", "c"], 4)):
        folder = tmp_path / str(wanted)
        folder.mkdir()
        SoftLabels((output,), told).write(folder, pa.chunked_array([ids]), classes, config)
        rows = np.load(folder / "soft-0.npy")
        assert rows.shape == (len(ids), wanted)
        np.testing.assert_allclose(rows.astype(np.float64).sum(axis=1), 1, atol=2e-3)
        assert rows[0][[0, -1]].tolist() == [store[ids[0], "pseudo"][0], store[ids[0], "pseudo"][2]]


def test_croissant_names_the_columns_of_further_label_sets(made: Made, tmp_path: Path) -> None:
    convert_version(made.version.path, tmp_path / "out", FORMATS["croissant"])
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert {f"{name}_label_weight" for name in FURTHER} <= {
        field["name"] for field in described["recordSet"][0]["field"]
    }


def test_a_label_set_is_named_once() -> None:
    with pytest.raises(ValueError, match="label_sets: wants each once"):
        ExportConfig(label_sets=("pseudo",))


def test_a_label_set_that_no_run_makes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"export.label_sets: wants one of pseudo, .*, got 'prbe'"):
        config_of(tmp_path, tmp_path / "store", label_sets=["prbe"])
