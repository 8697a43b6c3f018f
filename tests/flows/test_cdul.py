"""Classes told by their names (CDUL), from a config file to a version, with a CLIP whose weights are random."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
import yaml
from command_line import run_here
from PIL import Image
from scipy.special import softmax
from tiny_clip import save_tiny_clip

from windrow.tasks.config import ConfigError, parse_config
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.verify.verification import verify

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")

NAMES = {"cat": "cat", "dog": "big dog", "owl": "owl"}
N, GRID = 24, 2
INLINE = ("-s", "executor.kind=inline")  # a worker takes long to load the model


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of N pictures in two folders; of the first two it is said what they are of."""
    folder = tmp_path_factory.mktemp("cdul")
    save_tiny_clip(folder / "clip")
    rng = np.random.default_rng(0)
    for number in range(N):
        source = folder / "pool" / f"part-{number % 2}"
        source.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 80, 3), np.uint8)).save(source / f"{number}.png")
    (folder / "pool" / "part-0" / "0.json").write_text(json.dumps({"label": {"cat": True, "dog": False}}))
    (folder / "pool" / "part-1" / "1.json").write_text(json.dumps({"label": ["cat"]}))
    settings = {
        "name": "named",
        "store": "store",
        "sources": ["pool/part-0", "pool/part-1"],
        "features": {"name": "hf:clip", "precision": "float32", "batch_size": 8},
        "neighbors": {"k": 3},
        "clustering": {"n_clusters": [4, 2]},
        "labels": {
            "kind": "multi",
            "multi": {"cdul": {"class_names": NAMES, "templates": ["a {}.", "my {}."], "grid": GRID, "scale": 30}},
        },
        "selection": {"target_size": 15},
        "executor": {"kind": "local", "n_workers": 2},
    }
    (folder / "windrow.yaml").write_text(yaml.safe_dump(settings))
    return folder / "windrow.yaml"


def ran(config_file: Path, *words: str) -> str:
    ended = run_here("run", str(config_file), "--runner", "plain", *words, folder=config_file.parent)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def catalog(config_file: Path) -> duckdb.DuckDBPyConnection:
    told = ran(config_file)
    assert "too few states are known to hold the promise (labels.multi.cdul.states)" in " ".join(told.split())
    return connect_run(config_file.parent / "store")


def clips_own(folder: Path) -> dict[str, np.ndarray]:
    """CDUL's labels of every picture, by transformers' CLIP itself."""
    model = transformers.CLIPModel.from_pretrained(folder / "clip").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "clip")
    processor = transformers.CLIPImageProcessor.from_pretrained(folder / "clip")

    def unit(vectors: torch.Tensor) -> np.ndarray:
        return (vectors / vectors.norm(dim=-1, keepdim=True)).numpy()

    with torch.inference_mode():
        tokens = tokenizer(
            [f"{start} {name}." for name in NAMES.values() for start in ("a", "my")], padding=True, return_tensors="pt"
        )
        texts = model.get_text_features(**tokens)
        texts = texts if isinstance(texts, torch.Tensor) else texts.pooler_output
        prototypes = unit(texts).reshape(len(NAMES), 2, -1).mean(axis=1)
        prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
        found = {}
        for path in folder.glob("pool/part-*/*.png"):
            picture = Image.open(path)
            views = [picture, *(picture.crop((x, y, x + 40, y + 32)) for y in (0, 32) for x in (0, 40))]
            pixels = processor(images=views, return_tensors="pt")["pixel_values"]
            images = model.get_image_features(pixel_values=pixels)
            images = images if isinstance(images, torch.Tensor) else images.pooler_output
            shares = softmax(30 * unit(images) @ prototypes.T, axis=1)
            most, least = shares[1:].max(axis=0), shares[1:].min(axis=0)
            found[path.stem] = (shares[0] + np.where(most >= 0.5, most, least)) / 2
    return found


def test_every_pictures_labels_are_what_clip_itself_makes_of_it_and_its_snippets(
    config_file: Path, catalog: duckdb.DuckDBPyConnection
) -> None:
    expected = clips_own(config_file.parent)
    rows = catalog.execute(
        "SELECT o.key, label, state, probability, annotator FROM label_states JOIN occurrences o USING (sample_id)"
        " WHERE label_set = 'pseudo'"
    ).fetchall()
    assert len(rows) == N * len(NAMES)
    given = {("0", "cat"): "present", ("0", "dog"): "absent", ("1", "cat"): "present"}
    for key, label, state, probability, annotator in rows:
        at = key.removesuffix(".png"), label
        if at in given:
            assert (state, annotator) == (given[at], "source")
            assert probability == float(state == "present")
        else:
            assert (state, annotator) == ("unknown", "cdul")
            assert probability == pytest.approx(expected[at[0]][list(NAMES).index(label)], abs=4e-3)  # float16
    methods = catalog.execute("SELECT DISTINCT method, least_present FROM state_classes").fetchall()
    assert methods == [("cdul", None)]


def test_a_second_run_finds_all_done_the_store_verifies_and_the_version_has_the_probabilities(
    config_file: Path, catalog: duckdb.DuckDBPyConnection
) -> None:
    del catalog
    store = config_file.parent / "store"
    before = {output.path for output in all_outputs(store)}
    ran(config_file)
    assert {output.path for output in all_outputs(store)} == before
    assert not verify(store).damage
    version = latest_version(store, "named")
    assert version is not None
    assert json.loads((version.path / "manifest.json").read_text())["classes"] == sorted(NAMES)


def test_one_worker_and_other_shards_give_the_same_states_as_two_workers(
    config_file: Path, catalog: duckdb.DuckDBPyConnection
) -> None:
    sql = "SELECT * FROM label_states WHERE label_set = 'pseudo' ORDER BY sample_id, label"
    settings = ("store=other", "sources=[pool]", "ingest.folder_labels=false")
    ran(config_file, *INLINE, *(word for each in settings for word in ("-s", each)))
    sizes = [
        sorted(output.counts["n_samples"] for output in all_outputs(config_file.parent / store, "snippets"))
        for store in ("store", "other")
    ]
    assert sizes[0] == [N // 2, N // 2]
    assert sizes[1] != sizes[0]
    assert connect_run(config_file.parent / "other").execute(sql).fetchall() == catalog.execute(sql).fetchall()


def test_believed_names_say_states(config_file: Path, catalog: duckdb.DuckDBPyConnection) -> None:
    del catalog
    ran(config_file, *INLINE, "-s", "labels.multi.cdul.states=at-their-word", "-s", "labels.multi.promise=0.6")
    believed = connect_run(config_file.parent / "store")
    said = "FROM label_states WHERE label_set = 'pseudo' AND annotator = 'cdul' AND state"
    ((n_present, least),) = believed.execute(f"SELECT count(*), min(probability) {said} = 'present'").fetchall()
    assert n_present == 0 or least >= np.float32(0.6)
    ((n_unknown, low, high),) = believed.execute(
        f"SELECT count(*), min(probability), max(probability) {said} = 'unknown'"
    ).fetchall()
    assert n_unknown == 0 or (low > np.float32(0.4) and high < np.float32(0.6))
    method = "SELECT DISTINCT method, round(least_present, 3) FROM state_classes"
    assert believed.execute(method).fetchall() == [("cdul", pytest.approx(0.6))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": {"name": "lite0"}}, "labels.multi.cdul: wants a model with texts, hf: or open_clip:"),
        ({"features": {"name": "hf:x", "pooling": "mean"}}, "labels.multi.cdul: wants a model with texts"),
        ({"multi": {"cdul": {"templates": ["a cat"]}}}, "templates: wants sentences with one {} each"),
        ({"multi": {"cdul": {}, "positive_only": "elkan-noto"}}, "positive_only: where cdul is asked"),
        ({"multi": {"cdul": {"grid": 1}}}, "grid"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(changes: dict[str, dict[str, object]], words: str) -> None:
    multi = changes.get("multi", {"cdul": {}})
    features = changes.get("features", {"name": "hf:x"})
    with pytest.raises(ConfigError, match=words):
        parse_config({"sources": ["x"], "features": features, "labels": {"kind": "multi", "multi": multi}})


def test_what_is_forgotten_leaves_the_snippets_and_no_other_is_embedded_again(
    config_file: Path, catalog: duckdb.DuckDBPyConnection
) -> None:
    ((sample_id,),) = catalog.execute("SELECT sample_id FROM occurrences WHERE key = '4.png'").fetchall()
    store = config_file.parent / "store"
    ended = run_here("forget", sample_id, "--store", str(store), "--no-near-duplicates", "--yes")
    assert ended.returncode == 0, ended.stderr
    left = {output.path: output.counts["n_samples"] for output in all_outputs(store, "snippets")}
    assert sorted(left.values()) == [N // 2 - 1, N // 2]
    ran(config_file, *INLINE)
    assert {output.path for output in all_outputs(store, "snippets")} == set(left)
