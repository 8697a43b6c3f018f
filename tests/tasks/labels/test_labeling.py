"""What is decided of predictions: each setting of `labels`, through the stages, with outputs of real Parquet."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from inline_run import curate_inline
from small_labels import LabelledPool, write_labelled_pool
from small_pool import make_small_pool
from tiny_clip import save_tiny_clip

from windrow.schemas import BELONGING, LABELS
from windrow.tasks.algorithms.labels.all_makers import MakerSettings
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig
from windrow.tasks.algorithms.labels.makers.scan import Scan
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.labels.belonging_scores import find_belonging
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import makers_of, predict_labels
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.outputs import Done, open_output

CLASSES = ["ant", "bee", "cat"]
N, N_STRANGE, N_EACH = 240, 12, 20


@dataclass(frozen=True)
class Labelled:
    """A store with clouds of three classes, 20 labels of each, and 12 samples that are of none."""

    store: Path
    pool: LabelledPool
    cluster: str
    names: list[str | None]
    truth: np.ndarray

    def decide(self, **settings: Any) -> Done:
        config = LabelsConfig(**{"makers": ("probe", "smoothed"), "combine": ("probe", "smoothed"), **settings})
        makers = makers_of(config, open_output(self.store / self.pool.given))
        predicted = [
            predict_labels(self.store, self.pool.made, maker, config, BackboneConfig(), 0).path for maker in makers
        ]
        belongs = [find_belonging(self.store, self.pool.made).path] if config.least_belonging else []
        made = replace(self.pool.made, cluster=(self.cluster,), predictions=tuple(predicted), belonging=tuple(belongs))
        return decide_labels(self.store, made, config, 0)

    def rows(self, label_set: str = "pseudo", **settings: Any) -> pa.Table:
        table = open_output(self.store / self.decide(**settings).path).read(LABELS)
        return table.filter(pc.equal(table["label_set"], label_set))


def write_pool(store: Path, n_each: int = N_EACH) -> Labelled:
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 3
    vectors = 2 * np.eye(6)[truth] + 0.5 * rng.normal(size=(N, 6))
    truth[-N_STRANGE:] = -1
    vectors[-N_STRANGE:] = [0, 0, 0, 0, 0, 4] + 0.1 * rng.normal(size=(N_STRANGE, 6))
    names = [CLASSES[c] if c >= 0 and n < 3 * n_each else None for n, c in enumerate(truth)]
    pool = write_labelled_pool(store, vectors.astype(np.float32), names)
    cluster = cluster_pool(store, pool.features, ClusteringConfig(n_clusters=(6, 3), n_rounds=1), 0).path
    return Labelled(store, pool, cluster, names, truth)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    return write_pool(tmp_path_factory.mktemp("labelled"))


def accuracy(labelled: Labelled, table: pa.Table) -> float:
    found = zip(labelled.truth, table["classes"].to_pylist(), strict=True)
    return float(np.mean([classes[0] == CLASSES[c] for c, classes in found if c >= 0]))


def test_makers_and_what_they_say_together_are_label_sets_in_which_given_labels_stand(labelled: Labelled) -> None:
    for label_set in ("probe", "smoothed", "pseudo", "most_probable"):
        table = labelled.rows(label_set)
        assert len(table) == N and accuracy(labelled, table) > 0.95
        for row, name in zip(table.to_pylist(), labelled.names, strict=True):
            if name is not None:
                assert (row["label"], row["confidence"], row["label_weight"]) == (name, 1.0, 1.0)
                assert row["classes"][0] == name and row["probabilities"][0] == 1.0


def test_samples_of_no_class_abstain_in_every_label_set_unless_nothing_is_to_be_refused(labelled: Labelled) -> None:
    for label_set in ("probe", "smoothed", "pseudo", "most_probable"):
        assert all(labelled.rows(label_set)["abstained"].to_pylist()[-N_STRANGE:])
    keep = labelled.rows(least_belonging=0.0, policy=LabelPolicyConfig("none"))
    assert not any(keep["abstained"].to_pylist())
    counts = labelled.decide(policy=LabelPolicyConfig("none")).counts
    assert counts["n_refused"] == counts["n_abstained"] >= N_STRANGE
    assert counts["n_labelled"] + counts["n_abstained"] == N


def test_the_label_for_rare_classes_and_the_most_probable_class_are_two_label_sets_of_one_probability(
    labelled: Labelled,
) -> None:
    settings: dict[str, Any] = {
        "prior": PriorConfig("given", {"ant": 1000, "bee": 1, "cat": 1}),
        "policy": LabelPolicyConfig("none"),
        "least_belonging": 0.0,
        "top_k": 3,
    }
    rare, probable = (labelled.rows(name, **settings).to_pylist() for name in ("pseudo", "most_probable"))
    assert any(a["label"] != b["label"] for a, b in zip(rare, probable, strict=True))
    for a, b in zip(rare, probable, strict=True):
        said = dict(zip(a["classes"], a["probabilities"], strict=True))
        assert said == dict(zip(b["classes"], b["probabilities"], strict=True))
        assert (a["confidence"], b["confidence"]) == (said[a["label"]], max(said.values()))
        assert b["label"] == b["classes"][0] and a["agreement"] == b["agreement"]


def test_belonging_is_1_for_given_labels_and_small_for_what_is_of_no_class(labelled: Labelled) -> None:
    table = open_output(labelled.store / find_belonging(labelled.store, labelled.pool.made).path).read(BELONGING)
    values = table["belonging"].to_numpy()
    assert values[: 3 * N_EACH] == pytest.approx(1)
    assert values[-N_STRANGE:] == pytest.approx(1 / (3 * N_EACH + 1))


def test_few_labels_refuse_nothing(tmp_path: Path) -> None:
    few = write_pool(tmp_path, n_each=5)
    assert few.decide(policy=LabelPolicyConfig("none")).counts["n_refused"] == 0


def test_another_policy_decides_anew_on_the_same_predictions(labelled: Labelled) -> None:
    config = LabelsConfig(makers=("probe",), combine=("probe",))
    made, backbone = labelled.pool.made, BackboneConfig()
    predict_labels(labelled.store, made, "probe", config, backbone, 0)
    other = LabelsConfig(makers=("probe",), combine=("probe",), policy=LabelPolicyConfig(threshold=0.99), top_k=2)
    assert predict_labels(labelled.store, made, "probe", other, backbone, 0).found
    sure, surer = (labelled.decide(policy=LabelPolicyConfig(threshold=least)) for least in (0.6, 0.99))
    assert not surer.found and surer.counts["n_labelled"] < sure.counts["n_labelled"]


def test_makers_that_agree_are_told(labelled: Labelled) -> None:
    agreement = labelled.rows()["agreement"].to_numpy()
    assert set(agreement) <= {0.0, 0.5, 1.0} and agreement.mean() > 0.9
    assert labelled.rows("probe")["agreement"].null_count == N


def test_sets_of_possible_classes_hold_the_label_and_are_null_where_they_are_too_large(labelled: Labelled) -> None:
    rows = labelled.rows(conformal=ConformalConfig(coverage=0.9, most=2)).to_pylist()
    assert all(row["possible"] is None or row["classes"][0] in row["possible"] for row in rows)
    given = [row for row, name in zip(rows, labelled.names, strict=True) if name is not None]
    assert all(row["possible"] == [row["label"]] for row in given)
    held = [
        CLASSES[c] in row["possible"]
        for row, c, name in zip(rows, labelled.truth, labelled.names, strict=True)
        if c >= 0 and name is None and row["possible"] is not None
    ]
    assert np.mean(held) > 0.85
    assert labelled.rows()["possible"].null_count == N


def test_classes_that_a_loss_must_leave_out_are_told_and_are_never_the_label(labelled: Labelled) -> None:
    policy = LabelPolicyConfig("exclude", threshold=0.999)
    rows = labelled.rows(policy=policy, least_belonging=0.0).to_pylist()
    assert any(row["left_out"] for row in rows)
    assert all(row["label"] not in row["left_out"] for row in rows)
    assert all(row["left_out"] == [] for row, name in zip(rows, labelled.names, strict=True) if name is not None)


@pytest.mark.parametrize("policy", ["class-wise", "self-adaptive", "soft", "reliable", "accept-or-defer", "agreed"])
def test_every_policy_decides_on_what_the_makers_say(labelled: Labelled, policy: Any) -> None:
    table = labelled.rows(policy=LabelPolicyConfig(policy))
    label, abstained, weight = (table[name].to_pylist() for name in ("label", "abstained", "label_weight"))
    assert [name is None for name in label] == abstained
    assert all((share == 0) == out for share, out in zip(weight, abstained, strict=True))
    assert 3 * N_EACH <= N - sum(abstained) <= N - N_STRANGE


@pytest.mark.parametrize(("n_of", "labelled_of"), [("labelled", 20), ("abstained", N - 3 * N_EACH - 20)])
def test_a_budget_is_met_to_the_sample_in_each_label_set(labelled: Labelled, n_of: Any, labelled_of: int) -> None:
    for name in ("pseudo", "most_probable", "probe"):
        table = labelled.rows(name, policy=LabelPolicyConfig("budget", n=20, n_of=n_of))
        assert N - sum(table["abstained"].to_pylist()) == 3 * N_EACH + labelled_of


def test_all_makers_gave_the_label_that_was_agreed_on(labelled: Labelled) -> None:
    table = labelled.rows("most_probable", policy=LabelPolicyConfig("agreed"), least_belonging=0.0)
    said = zip(table["abstained"].to_pylist(), table["agreement"].to_pylist(), labelled.names, strict=True)
    assert all(out == (share < 1) for out, share, name in said if name is None)


@pytest.mark.parametrize("by", ["equal", "dawid-skene", "daso"])
def test_makers_are_combined_as_the_settings_say(labelled: Labelled, by: Any) -> None:
    table = labelled.rows(combine_by=by)
    assert accuracy(labelled, table) > 0.9
    assert table["method"][0].as_py().startswith(f"{by} of probe ")
    weighted = labelled.rows()["probabilities"].to_pylist()
    assert table["probabilities"].to_pylist() != weighted


def share_of(table: pa.Table, name: str) -> float:
    """The mean probability of a class."""
    rows = zip(table["classes"].to_pylist(), table["probabilities"].to_pylist(), strict=True)
    return float(np.mean([dict(zip(*row, strict=True))[name] for row in rows]))


def test_shares_that_are_given_move_confidences_and_must_name_every_class(labelled: Labelled) -> None:
    shares = {"ant": 0.8, "bee": 0.1, "cat": 0.1}
    given, even = (labelled.rows(prior=prior) for prior in (PriorConfig("given", shares), PriorConfig("uniform")))
    assert share_of(given, "ant") > share_of(even, "ant") + 0.01
    with pytest.raises(ValueError, match=r"prior\.shares: no share for class 'cat'"):
        labelled.decide(prior=PriorConfig("given", {"ant": 1, "bee": 1}))


def test_a_file_of_distances_makes_the_label_the_least_wrong_one(labelled: Labelled, tmp_path: Path) -> None:
    path = tmp_path / "distances.csv"
    path.write_text("label,other,distance\nant,bee,1\nbee,cat,1\nant,cat,2\n")
    settings = {"least_belonging": 0.0, "policy": LabelPolicyConfig("none")}
    plain, nearest = (labelled.rows(**settings, distances=each) for each in (None, str(path)))
    assert accuracy(labelled, nearest) > 0.9
    strange = [row[0] for row in nearest["classes"].to_pylist()[-N_STRANGE:]]
    assert strange.count("bee") >= [row[0] for row in plain["classes"].to_pylist()[-N_STRANGE:]].count("bee")
    before = labelled.decide(**settings, distances=str(path)).path
    path.write_text("label,other,distance\nant,bee,1\nbee,cat,1\nant,cat,1\n")
    assert labelled.decide(**settings, distances=str(path)).path != before
    with pytest.raises(ValueError, match=r"labels\.distances: wants a .csv, .tsv or .parquet file"):
        labelled.decide(distances=str(tmp_path / "none.csv"))


def test_a_class_without_a_training_sample_may_be_the_answer_with_what_its_nearest_are_worth(
    labelled: Labelled, tmp_path: Path
) -> None:
    path = tmp_path / "distances.csv"
    path.write_text("label,other,distance\nant,bee,2\nbee,cat,4\nant,cat,4\nant,insect,1\nbee,insect,1\ncat,insect,3\n")
    settings: dict[str, Any] = {"distances": str(path), "unseen_classes": ("insect",), "least_belonging": 0.0}
    everything = labelled.rows(**settings, policy=LabelPolicyConfig("none")).to_pylist()
    named = [row for row in everything if row["label"] == "insect"]
    assert named and all(row["classes"][0] == "insect" and row["probabilities"][0] == 0 for row in named)
    for row in named:
        shares = dict(zip(row["classes"], row["probabilities"], strict=True))
        assert row["confidence"] == pytest.approx(shares["ant"] + shares["bee"], abs=1e-6)
    assert any(row["label"] == "ant" for row in everything)
    sure = labelled.rows(**settings, policy=LabelPolicyConfig("fixed", threshold=0.9)).to_pylist()
    assert all(row["confidence"] >= np.float32(0.9) for row in sure if row["label"] == "insect")
    plain = labelled.rows(distances=str(path), least_belonging=0.0, policy=LabelPolicyConfig("none"))
    assert "insect" not in plain["label"].to_pylist()
    assert labelled.rows("most_probable", **settings)["label"].to_pylist().count("insect") == 0


def test_classes_without_samples_want_distances_and_each_pair_of_them(labelled: Labelled, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unseen_classes: only labels\.distances can lead to them"):
        LabelsConfig(unseen_classes=("insect",))
    path = tmp_path / "distances.csv"
    path.write_text("label,other,distance\nant,bee,2\nbee,cat,4\nant,cat,4\nant,insect,1\n")
    with pytest.raises(ValueError, match=r"labels\.distances: .*there is no distance of 'bee' and 'insect'"):
        labelled.decide(distances=str(path), unseen_classes=("insect",))
    assert LabelsConfig(distances=str(path), unseen_classes=("cat", "insect")).answers(["ant", "cat"]) == [
        *("ant", "cat", "insect")
    ]


def test_rounds_of_an_iterative_maker_are_label_sets_with_their_number(labelled: Labelled) -> None:
    settings = {"makers": ("probe", "iterative"), "combine": ("iterative",)}
    last = labelled.rows("iterative", **settings)
    assert set(last["round"].to_pylist()) == {3}
    for number in range(3):
        assert set(labelled.rows(f"iterative_{number}", **settings)["round"].to_pylist()) == {number}


def test_without_labels_clusterers_give_numbers_and_there_are_no_pseudo_labels(tmp_path: Path) -> None:
    bare = write_pool(tmp_path, n_each=0)
    settings: dict[str, Any] = {
        "makers": ("probe", "scan"),
        "combine": ("probe",),
        "settings": MakerSettings(scan=Scan(n_clusters=4)),
        "policy": LabelPolicyConfig("none"),
    }
    assert set(bare.rows("scan", **settings)["label"].to_pylist()) <= {"0", "1", "2", "3"}
    assert bare.rows("probe", **settings).num_rows == 0
    assert bare.rows("pseudo", **settings).num_rows == 0 and bare.rows("cluster_2", **settings).num_rows == N


def test_labels_of_one_class_refuse_nothing(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("key,label\nme.png,cat\nnearly.png,cat\n")
    run = curate_inline(make_small_pool(tmp_path, labels={"given": str(labels), "least_belonging": 0.5}).config)
    outputs = {output.stage: output for output in run.outputs("pseudo_label")}
    assert outputs["given_labels"].counts["n_classes"] == 1
    assert outputs["pseudo_label"].counts["n_refused"] == 0 and "belonging" not in outputs


def test_without_labels_class_names_and_a_model_with_texts_make_the_pseudo_labels(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    labels = {
        "given": "none",
        "makers": ["probe", "zero_shot"],
        "combine": ["zero_shot"],
        "policy": {"policy": "none"},
        "settings": {"zero_shot": {"class_names": ["stripes", "dots"]}},
    }
    backbone = {"name": f"hf:{save_tiny_clip(tmp_path / 'clip')}", "precision": "float32"}
    run = curate_inline(make_small_pool(tmp_path, labels=labels, features=backbone).config)
    connection = open_catalog(run.store)
    assert connection.sql("SELECT DISTINCT method FROM labels WHERE label_set = 'pseudo'").fetchall() == [
        ("zero_shot, not calibrated: no labels",)
    ]
    found = connection.sql("SELECT label, classes FROM pool").fetchall()
    assert {label for label, _ in found} <= {"stripes", "dots"}
    assert all(sorted(classes) == ["dots", "stripes"] for _, classes in found)
