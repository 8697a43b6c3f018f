"""A pool whose samples may be of several classes goes through the whole pipeline: from sidecars to a masked loss."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from banded_pool import COLOURS, banded_pool
from command_line import run_here
from inline_run import curate_inline

from windrow.tasks.config import ConfigError, CurationConfig, parse_config
from windrow.tasks.corrections.correction_files import read_corrections_file
from windrow.tasks.labels.states.asked_states import write_asked_states
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.loading.webdataset_pipeline import open_webdataset
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.verify.verification import verify

N = 120
COMMAND = ["train", "{train}", "{held_out}", "{predictions}"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CurationConfig:
    return banded_pool(tmp_path_factory.mktemp("multi"), N)


@pytest.fixture(scope="module")
def version(config: CurationConfig) -> Version:
    curate_inline(config)
    found = latest_version(Path(config.store), config.name)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def catalog(config: CurationConfig, version: Version) -> duckdb.DuckDBPyConnection:
    del version
    return connect_run(Path(config.store))


def states_of(catalog: duckdb.DuckDBPyConnection, key: str, label_set: str = "given") -> tuple[list[str], list[str]]:
    sql = "SELECT present, absent FROM states JOIN occurrences USING (sample_id) WHERE key = ? AND label_set = ?"
    (row,) = catalog.execute(sql, [f"{key}.png", label_set]).fetchall()
    return row


def test_what_is_given_is_present_absent_or_unknown_and_unknown_is_never_absent(
    config: CurationConfig, catalog: duckdb.DuckDBPyConnection
) -> None:
    folder = Path(config.store).parent
    shown = np.load(folder / "shown.npy")
    for number in range(6, N):
        if number % 3 == 2:
            continue
        looked = COLOURS[:2] if number % 3 == 0 else COLOURS[1:]
        there = [name for name in looked if shown[number, COLOURS.index(name)]]
        wanted = sorted(there), sorted(set(looked) - set(there))
        assert states_of(catalog, str(number)) == wanted
    assert states_of(catalog, "2") == (["blue"], ["green", "red"])  # of a file, with a separator
    assert "green" not in [*states_of(catalog, "0")[0], *states_of(catalog, "0")[1]]  # said to be unknown
    rows = "SELECT count(*) FROM label_states WHERE label_set = 'given'"
    assert catalog.execute(rows).fetchall()[0][0] < N  # absent by a vocabulary takes no row


def test_pseudo_labels_keep_what_was_given_and_are_mostly_right(
    config: CurationConfig, catalog: duckdb.DuckDBPyConnection
) -> None:
    shown = np.load(Path(config.store).parent / "shown.npy")
    right = wrong = 0
    for number in range(N):
        given, said = (
            states_of(catalog, str(number)) if number % 3 != 2 else ([], []),
            states_of(catalog, str(number), "pseudo"),
        )
        assert set(given[0]) <= set(said[0])
        assert set(given[1]) <= set(said[1])
        truth = {name for name, is_there in zip(COLOURS, shown[number], strict=True) if is_there}
        new = set(said[0]) - set(given[0]), set(said[1]) - set(given[1])
        right += len(new[0] & truth) + len(new[1] - truth)
        wrong += len(new[0] - truth) + len(new[1] & truth)
    assert right > 60
    assert wrong < 0.2 * (right + wrong)


def test_the_pool_is_asked_and_filtered_by_states(catalog: duckdb.DuckDBPyConnection) -> None:
    n = "SELECT count(*) FROM {} WHERE list_contains(present, 'red')"
    assert 20 < catalog.execute(n.format("pool")).fetchall()[0][0] < N
    assert catalog.execute(n.format("curated")).fetchall()[0][0] > 10
    dropped = "SELECT bool_and(list_contains(absent, 'red')) FROM pool WHERE dropped_by = 'not only blue'"
    assert catalog.execute(dropped).fetchall() == [(True,)]


def test_a_masked_loss_is_the_same_over_the_loader_and_over_the_store(
    version: Version, catalog: duckdb.DuckDBPyConnection
) -> None:
    loader = data_loader(version.path, batch_size=7, shuffle=False, last="drop", n_ranks=1, rank=0)
    logits = dict(zip(loader.classes, (0.3, -1.2, 2.0), strict=True))
    row = torch.tensor([logits[name] for name in loader.classes])
    of_loader, n = 0.0, 0
    for _, labels, info in loader:
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            row.expand_as(info["soft_targets"]), info["soft_targets"], reduction="none"
        )
        of_loader += float((losses.double() * info["known"]).sum())
        n += int(info["known"].sum())
        assert (labels == -100).all()
        assert (info["targets"][~info["known"]] == 0).all()
    of_store = 0.0
    rows = catalog.execute(
        "SELECT s.* FROM states s JOIN curated USING (sample_id) WHERE label_set = 'pseudo'"
    ).fetchall()
    n_store = 0
    for _, _, present, absent, *shares in rows:
        for name, share in zip([*present, *absent], [*shares[0], *shares[1]], strict=True):
            of_store += np.logaddexp(0, logits[name]) - share * logits[name]
            n_store += 1
    assert n == n_store > 100
    assert of_loader / n == pytest.approx(of_store / n, abs=1e-6)


def test_what_has_no_known_state_is_left_out_and_what_balances_classes_is_refused(version: Version) -> None:
    n = "SELECT count(*) FILTER (len(present) + len(absent) > 0) FROM '{}/samples.parquet'"
    ((n_known,),) = duckdb.sql(n.format(version.path)).fetchall()
    assert data_loader(version.path, n_ranks=1, rank=0).n_samples == n_known
    assert sum(1 for _ in open_webdataset(version.path, unlabelled="skip")) == n_known
    with pytest.raises(ValueError, match="'class-balanced' is for samples of one class"):
        data_loader(version.path, sampling="class-balanced", n_ranks=1, rank=0)
    with pytest.raises(ValueError, match="long_tail are for samples of one class"):
        data_loader(version.path, long_tail=10, n_ranks=1, rank=0)


def test_a_version_says_its_classes_thresholds_and_states(version: Version) -> None:
    manifest = json.loads((version.path / "manifest.json").read_text())
    assert manifest["classes"] == sorted(COLOURS)
    states = manifest["label_sets"]["pseudo"]["states"]
    assert set(states) == set(COLOURS)
    assert states["red"]["least_present"] >= 0.5
    assert set(manifest["counts"]["class"]) == set(COLOURS)
    assert sum(manifest["counts"]["class"].values()) > version.n_samples / 2
    card = (version.path / "webdataset" / "README.md").read_text()
    assert "## States of classes" in card
    assert f"| blue | {states['blue']['n_present']} | {states['blue']['n_absent']} |" in card
    rows = duckdb.sql(f"SELECT present, absent, label FROM '{version.path}/parquet/*.parquet'").fetchall()
    assert {label for *_, label in rows} == {None}
    assert all(not set(present) & set(absent) for present, absent, _ in rows)


def test_coco_has_what_is_present_as_annotations_and_what_is_absent_as_negatives(
    version: Version, tmp_path: Path
) -> None:
    ended = run_here("convert", str(version.path), "--to", "coco", "-o", str(tmp_path / "out"))
    assert ended.returncode == 0, ended.stderr
    lists = json.loads(next((tmp_path / "out").rglob("train.json")).read_text())
    present, absent = duckdb.sql(
        f"SELECT sum(len(present)), sum(len(absent)) FROM '{version.path}/samples.parquet'"
    ).fetchall()[0]
    assert len(lists["annotations"]) == present
    assert sum(len(image["neg_category_ids"]) for image in lists["images"]) == absent
    assert {each["name"] for each in lists["categories"]} == set(COLOURS)


def test_the_store_verifies_and_a_second_run_finds_all_done(config: CurationConfig, version: Version) -> None:
    assert not verify(Path(config.store)).damage
    curate_inline(config)
    again = latest_version(Path(config.store), config.name)
    assert again is not None
    assert again.version == version.version


def test_explain_tells_the_states(config: CurationConfig, version: Version) -> None:
    del version
    ended = run_here("explain", "2.png", "--store", config.store)
    assert "given, present: blue 1.00" in ended.stdout
    assert "given, absent: green 0.00, red 0.00" in ended.stdout
    assert "all other classes are unknown" in ended.stdout


def test_the_least_sure_pairs_are_asked_for_and_read_back_as_states(
    config: CurationConfig, catalog: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "asked.csv"
    ended = run_here("annotate", str(path), "-n", "6", "--store", config.store)
    assert ended.returncode == 0, ended.stderr
    assert "6 pairs of a sample and a class whose state is least sure" in ended.stdout
    assert f"labels.csv, {path}]'" in ended.stdout  # beside what was given before
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["state"] for row in rows} == {"unknown"}
    assert {row["label"] for row in rows} == set(COLOURS)  # the classes in turn
    others = catalog.execute(
        "SELECT l.label, abs(l.probability - 0.5) FROM label_states l JOIN pool USING (sample_id) WHERE rank > 0"
        " AND l.label_set = 'pseudo' AND l.annotator NOT IN ('source', 'user') ORDER BY 2"
    ).fetchall()
    for name in COLOURS:
        least = [share for label, share in others if label == name][: sum(row["label"] == name for row in rows)]
        shares = [float(row["why"].split()[2]) for row in rows if row["label"] == name]
        assert [abs(share - 50) for share in shares] == pytest.approx([100 * each for each in least], abs=0.51)
    rows[0]["state"], rows[1]["state"] = "present", "absent"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    labels = replace(config.labels, given=(*config.labels.given, str(path)))
    run = curate_inline(replace(config, labels=labels, name="asked"))
    again = connect_run(Path(config.store), run.run_id)
    for number, row in enumerate(rows):
        (given,) = again.execute(
            "SELECT present, absent FROM states WHERE label_set = 'given' AND sample_id = ?", [row["sample_id"]]
        ).fetchall() or [([], [])]
        assert [row["label"] in states for states in given] == [number == 0, number == 1]


def test_where_files_have_a_vocabulary_what_is_not_asked_stays_unknown(
    catalog: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "asked.csv"
    assert write_asked_states(path, catalog, 3, COLOURS) == 3
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for sample_id in {row["sample_id"] for row in rows}:
        known = catalog.execute(
            "SELECT list_concat(present, absent) FROM states WHERE label_set = 'given' AND sample_id = ?", [sample_id]
        ).fetchall()
        listed = {row["label"] for row in rows if row["sample_id"] == sample_id}
        assert listed | set(known[0][0] if known else ()) == set(COLOURS)
    assert "not asked" in rows[-1]["why"]


def test_what_is_for_samples_of_one_class_says_so_in_a_sentence(
    config: CurationConfig, version: Version, tmp_path: Path
) -> None:
    del version
    ended = run_here("annotate", "--by", "typical", "--store", config.store, folder=tmp_path)
    assert ended.returncode != 0
    assert "is for samples of one class" in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"kind": "multi", "makers": ["knn"], "combine": ["knn"]}}, "labels.makers: is for samples of one"),
        ({"labels": {"multi": {"promise": 0.8}}}, "labels.multi: goes with kind: multi"),
        ({"ingest": {"vocabulary": ["a"]}}, "ingest.vocabulary: goes with labels.kind: multi"),
        (
            {"labels": {"kind": "multi"}, "worth": {"command": ["t", "{train}", "{held_out}", "{predictions}"]}},
            "worth.command: is for",
        ),
        ({"labels": {"kind": "multi"}, "worth": {"class_weighted": True}}, "worth.class_weighted: is for samples of"),
        (
            {"labels": {"kind": "multi"}, "worth": {"probe": "knn"}},
            "worth.probe: wants auto or logistic, as labels.kind is multi; got 'knn'",
        ),
        ({"labels": {"kind": "multi"}, "export": {"label_set": "knn"}}, "export.label_set: wants pseudo or given"),
        ({"ingest": {"vocabulary": ["a", "a"]}}, "vocabulary: wants each once"),
    ],
)
def test_settings_for_samples_of_one_class_are_refused_by_name(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_config({"sources": ["x"], **changes})


def test_what_other_programs_say_of_several_classes_is_read(catalog: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    sample_id = catalog.execute("SELECT min(sample_id) FROM samples").fetchall()[0][0]
    chosen = {"type": "choices", "value": {"choices": ["red", "green"]}}
    classes = [{"_cls": "Classification", "label": name} for name in ("green", "red")]
    files = {
        "studio.json": [{"data": {"sample_id": sample_id}, "annotations": [{"result": [chosen]}]}],
        "min.json": [{"sample_id": sample_id, "choice": {"choices": ["red", "green"]}}],
        "samples.json": {
            "samples": [{"sample_id": sample_id, "said": {"_cls": "Classifications", "classifications": classes}}]
        },
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "studio.csv").write_text(
        f'annotation_id,annotator,choice,sample_id\n1,ann,"{{""choices"": [""red"", ""green""]}}",{sample_id}\n'
    )
    for path in tmp_path.iterdir():
        said = read_corrections_file(path, catalog, "ann", True)
        assert {(each.sample_id, each.kind, each.who, each.value) for each in said} == {
            (sample_id, "label", "ann", "red"),
            (sample_id, "label", "ann", "green"),
        }
    broken = '"{""choices"": ["'
    (tmp_path / "studio.csv").write_text(f"annotation_id,annotator,choice,sample_id\n1,ann,{broken},{sample_id}\n")
    with pytest.raises(ValueError, match="line 2: "):
        read_corrections_file(tmp_path / "studio.csv", catalog, "ann", True)
