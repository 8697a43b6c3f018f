"""A backbone, a scorer and a source of the user's own, in a module outside the package, from a config to a version."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from inline_run import curate_inline
from own_models import SOURCE, write_module, write_stacks

from windrow.schemas import BACKBONES, EMBEDDINGS, MODEL_SCORES, OCCURRENCES
from windrow.tasks.backbones import BackboneConfig, load_backbone
from windrow.tasks.config import parse_config
from windrow.tasks.executors import LocalExecutor, RayExecutor
from windrow.tasks.features.extraction import identify_backbone
from windrow.tasks.features.model_scores import identify_scorer
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.run_records import Run, StageRecord

OWN = BackboneConfig("python:own_toys:Thumbnails", batch_size=4)


def config_of(folder: Path) -> Any:
    return parse_config(
        {
            "sources": [f"python:own_toys:Stacks:{folder / 'stacks'}"],
            "store": str(folder / "store"),
            "features": {"name": OWN.name, "batch_size": 4},
            "scores": [{"name": "own", "model": "python:own_toys:Brightness", "classes": ["light"]}],
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "selection": {"target_share": 0.5},
        }
    )


def stages_of(run: Run) -> dict[str, StageRecord]:
    return {record.stage: record for record in run.stages()}


def outputs(run: Run, stage: str, store: Path) -> list[Output]:
    return [open_output(store / path) for path in stages_of(run)[stage].outputs]


def done_before(run: Run) -> dict[str, bool]:
    return {stage: record.n_found == len(record.outputs) for stage, record in stages_of(run).items()}


def test_a_pool_is_curated_with_them_and_changed_code_is_work_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, monkeypatch)
    write_stacks(tmp_path / "stacks")
    config, store = config_of(tmp_path), tmp_path / "store"
    run = curate_inline(config)

    ingested = outputs(run, "ingest", store)
    rows = [row for output in ingested for row in output.read(OCCURRENCES).to_pylist()]
    assert [(row["shard"], row["key"], row["found_label"]) for row in rows[:2]] == [
        ("0.npy", "0.npy/0.png", "even"),
        ("0.npy", "0.npy/1.png", "odd"),
    ]
    assert len(rows) == 20
    assert {row["kind"] for row in rows} == {"python"}
    light = outputs(run, "model_scores", store)[0].read(MODEL_SCORES).to_pylist()[0]
    assert light["score"] == "own.light"
    assert 0 < light["value"] < 1
    embedded = outputs(run, "features", store)[0]
    assert embedded.read(EMBEDDINGS)["embedding"].type.list_size == 27
    assert embedded.read(BACKBONES)["name"].to_pylist() == [OWN.name]
    assert stages_of(run)["export"].version is not None

    (tmp_path / "stacks").rename(tmp_path / "gone")  # the bytes are in the store
    table = ingested[0].read(OCCURRENCES)
    assert all(isinstance(data, bytes) for _, data in read_samples(table, store))
    (tmp_path / "gone").rename(tmp_path / "stacks")
    again = done_before(curate_inline(config))
    assert all(again[stage] for stage in ("ingest", "model_scores", "features", "rank")), again

    write_module(tmp_path, monkeypatch, SOURCE.replace("self.scale / 255", "self.scale / 256"))
    changed = done_before(curate_inline(config))
    assert [changed[stage] for stage in ("ingest", "model_scores", "features")] == [False, False, False]


@pytest.mark.parametrize("kind", [LocalExecutor, pytest.param(RayExecutor, marks=pytest.mark.ray)])
def test_workers_import_it_from_where_their_parent_does(
    kind: type[LocalExecutor] | type[RayExecutor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, monkeypatch)
    if kind is RayExecutor:
        pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    executor = kind(1)
    try:
        assert executor.run(identify_backbone, OWN, None) == identify_backbone(OWN, None)
        with pytest.raises(ValueError, match=r"'python:no_toys:X': there is no module 'no_toys' on Python's path"):
            executor.run(identify_backbone, BackboneConfig("python:no_toys:X"), None)
    finally:
        executor.close()


def test_what_it_hangs_on_is_part_of_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(write_module(tmp_path, monkeypatch))
    (tmp_path / "scale.txt").write_text("1.0")
    store = tmp_path / "store"
    first = identify_backbone(OWN, None, store)
    (tmp_path / "scale.txt").write_text("2.0")
    second = identify_backbone(OWN, None, store)
    write_module(tmp_path, monkeypatch, SOURCE + "# changed\n")
    third = identify_backbone(OWN, None, store)
    assert len({first.backbone_id, second.backbone_id, third.backbone_id}) == 3
    file.write_text(SOURCE)
    with pytest.raises(ValueError, match="has changed since it was imported: start Python anew"):
        load_backbone(OWN)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("def embed", "def embedd", "wants the methods prepare, embed; it has no embed"),
        ("dim = 27", "dim = '27'", "dim: wants a whole number of 1 or more, got '27'"),
        ("dim = 27", "dim = 12", r"embed\(\) gave float32 of shape \(2, 27\), wants floats of shape \(2, 12\)"),
        ("batch.reshape(", "batch.reform(", "trying it out raised AttributeError: .*'reform'"),
        ("* np.float32(", "// np.uint8(1) + 0 * int(", r"embed\(\) gave .*int.* of shape \(2, 27\), wants floats"),
        ("self.scale / 255", "np.nan", r"embed\(\) gave numbers that are not finite: nan"),
        (
            "image.resize((3, 3), Image.Resampling.BOX)",
            "image",
            r"prepare\(\) gave uint8 of shape \(64, 48, 3\), wants",
        ),
        ("self.files = [", "self.files = 1 / 0, [", "making it raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_backbone_that_does_not_fit_is_named_with_what_came(
    before: str, after: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert before in SOURCE
    write_module(tmp_path, monkeypatch, SOURCE.replace(before, after))
    with pytest.raises(ValueError, match=f"'python:own_toys:Thumbnails': .*({message})"):
        identify_backbone(OWN, None)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("def score", "def scores", "wants the methods score; it has no score"),
        (
            "[[np.asarray",
            "[[0.5, np.asarray",
            r"score\(\) gave float64 of shape \(1, 2\), wants floats of shape \(1, 1\)",
        ),
        ('("light",)', '("dark",)', "making it raised AssertionError"),
    ],
)
def test_a_scorer_that_does_not_fit_is_named_with_what_came(
    before: str, after: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert before in SOURCE
    write_module(tmp_path, monkeypatch, SOURCE.replace(before, after))
    with pytest.raises(ValueError, match=f"'python:own_toys:Brightness': {message}"):
        identify_scorer(tmp_path, ScorerConfig("own", "python:own_toys:Brightness", ("light",)))


@pytest.mark.parametrize(
    ("source", "before", "after", "message"),
    [
        ("python:own_toys", "", "", "sources: wants python:MODULE:CLASS:PLACE, got 'python:own_toys'"),
        ("python:no_toys:Stacks:x", "", "", "there is no module 'no_toys'"),
        ("python:own_toys:Piles:x", "", "", "module own_toys has no 'Piles'"),
        ("python:own_toys:Stacks:nowhere", "", "", "source 'python:own_toys:Stacks:nowhere' holds no samples"),
        (
            "python:own_toys:Stacks:{}",
            "def samples",
            "def sample",
            "wants the methods shards, samples; it has no samples",
        ),
        (
            "python:own_toys:Stacks:{}",
            "(path.name, str",
            "(path.name, int",
            r"shards\(\) wants pairs .* gave \('0.npy', ",
        ),
        (
            "python:own_toys:Stacks:{}",
            "[(path.name",
            "[('all'",
            r"shards\(\) wants pairs of a new name .* gave \('all'",
        ),
        (
            "python:own_toys:Stacks:{}",
            "out.getvalue()",
            "pixels",
            r"samples\(\) wants .* gave \('str', 'ndarray', 'dict'\)",
        ),
    ],
)
def test_a_source_that_does_not_fit_is_named_with_what_came(
    source: str, before: str, after: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert before in SOURCE
    write_module(tmp_path, monkeypatch, SOURCE.replace(before, after))
    place = source.format(write_stacks(tmp_path / "stacks"))
    with pytest.raises(ValueError, match=message):
        ingest_shards(tmp_path / "store", plan_shards([place]), IngestConfig())


def test_a_shard_is_ingested_again_when_its_identity_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, monkeypatch)
    source = f"python:own_toys:Stacks:{write_stacks(tmp_path / 'stacks')}"
    store = tmp_path / "store"
    ingest_shards(store, plan_shards([source]), IngestConfig())
    np.save(tmp_path / "stacks" / "1.npy", np.zeros((3, 40, 48, 3), np.uint8))
    done = ingest_shards(store, plan_shards([source]), IngestConfig())
    assert [each.found for each in done] == [True, False]
    assert done[1].counts["n_occurrences"] == 3
    small = ingest_shards(store, plan_shards([source]), IngestConfig(max_bytes=60))
    reasons = open_output(store / small[1].path).read(OCCURRENCES)["unreadable"]
    assert all(text.startswith("too large: ") for text in pc.unique(reasons).to_pylist())
