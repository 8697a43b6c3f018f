"""A run reads the bytes of what is new once, tells what it did, and makes what a run in two goes makes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from damaged_pictures import saved, scene
from layouts import put_tar
from own_models import write_module
from range_server import serving_files

from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import curate
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.store.run_records import StageRecord

INLINE = ExecutorConfig("inline")


def config_of(store: Path, *sources: str, **changes: Any) -> CurationConfig:
    scores = [{"name": "own", "model": "python:own_toys:Brightness", "classes": ["light"]}]
    values = {"sources": list(sources), "store": str(store), "scores": scores, **changes}
    return replace(parse_config(values), executor=INLINE)


def put_pool(folder: Path, n_tars: int, first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + n_tars):
        scenes = {f"{n}.jpg": saved(scene(100 * number + n), "JPEG") for n in range(20)}
        put_tar(folder / f"{number}.tar", {**scenes, "20.jpg": b"no picture", "21.jpg": scenes["3.jpg"]})


def run(config: CurationConfig, until: str = "extract-features") -> dict[str, StageRecord]:
    made = curate(config, PlainRunner(n_threads=2, delays=()), until=until).run
    return {record.stage: record for record in made.stages()}


def contents(store: Path) -> dict[str, Any]:
    return {
        str(output.path.relative_to(store)): (dict(output.counts), dict(output.files)) for output in all_outputs(store)
    }


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, monkeypatch)


def test_a_first_run_with_models_that_are_known_asks_a_server_for_the_bytes_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="windrow")
    put_pool(tmp_path / "pool", 2)
    size = sum(file.stat().st_size for file in (tmp_path / "pool").iterdir())
    own = {"features": {"name": "python:own_toys:Thumbnails"}}
    with serving_files(tmp_path / "pool") as web:
        sources = [f"{web.url}/0.tar", f"{web.url}/1.tar"]
        two_goes = config_of(tmp_path / "two", *sources, **own)
        run(two_goes, "ingest")
        n_ingest, web.n_bytes = web.n_bytes, 0
        run(two_goes)
        n_models, web.n_bytes = web.n_bytes, 0
        stages = run(config_of(tmp_path / "one", *sources, **own))
        n_once, web.n_bytes = web.n_bytes, 0
        again = run(config_of(tmp_path / "one", *sources, **own))
        assert web.n_bytes == 0
    assert size <= n_once <= 1.02 * size + 4096
    assert n_once == n_ingest and n_models > 1.9 * size  # the backbone and the scorer, each by itself
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {name: (stages[name].n_found, stages[name].n_samples) for name in (Stage.INGEST, Stage.FEATURES)} == {
        Stage.INGEST: (0, 44),
        Stage.FEATURES: (0, 40),
    }
    assert stages[Stage.MODEL_SCORES].n_found == 0
    assert stages[Stage.INGEST].note == "40 embeddings, 40 scores made on the way"
    assert [again[name].n_found for name in (Stage.INGEST, Stage.MODEL_SCORES, Stage.FEATURES)] == [2, 2, 2]
    assert again[Stage.INGEST].note is None


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_night_embeds_what_is_new_by_the_backbone_that_the_pool_was_given(tmp_path: Path, n_workers: int) -> None:
    pool, local = tmp_path / "pool", ExecutorConfig("local", n_workers=n_workers)
    put_pool(pool, 2)
    one, two = (config_of(tmp_path / name, str(pool), features={"name": "patches"}, scores=[]) for name in ("a", "b"))
    first = run(one)
    assert first[Stage.INGEST].note is None  # the backbone is fitted on what this run reads
    run(two)
    put_pool(pool, 2, first=2)
    night = run(replace(one, executor=local))
    assert night[Stage.INGEST].note == "40 embeddings made on the way"
    assert (night[Stage.INGEST].n_found, night[Stage.FEATURES].n_found) == (2, 2)
    run(two, "ingest")
    assert run(two)[Stage.FEATURES].n_found == 2
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "sample_id,label\nscene-1,cat\n",
            r"names none of the pool's samples: .* 32 hex digits, .* \(sample_id scene",
        ),
        ("key,label\n0/0,cat\n", "a key is as '0/0.jpg' .*key '0/0'"),
        ("key,label,shard\n0/0.jpg,cat,1/0.jpg\n", "names none"),
        ("key,label\n0/0.jpg,\n", "has no row with both a sample and a label"),
        ("key,label,weight\n0/0.jpg,cat,0\n", "line 2: the weight wants a number above 0"),
    ],
)
def test_labels_that_cannot_fit_are_told_before_any_sample_is_read(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "pool" / "0").mkdir(parents=True)
    (tmp_path / "pool" / "0" / "0.jpg").write_bytes(saved(scene(1), "JPEG"))
    (tmp_path / "labels.csv").write_text(text)
    own = {"features": {"name": "python:own_toys:Thumbnails"}}
    for setting, path in (("labels", "given"), ("worth", "evaluate")):
        named = {setting: {path: str(tmp_path / "labels.csv")}}
        with pytest.raises(ValueError, match=f"{setting}.{path}: .*{told}"):
            run(config_of(tmp_path / "store", str(tmp_path / "pool"), **named, **own))
    assert not list(all_outputs(tmp_path / "store"))


def test_a_run_that_only_scores_embeds_nothing(tmp_path: Path) -> None:
    put_pool(tmp_path / "pool", 1)
    config = config_of(tmp_path / "store", str(tmp_path / "pool"), features={"name": "python:own_toys:Thumbnails"})
    assert run(config, "score")[Stage.INGEST].note == "20 scores made on the way"
    assert {place.split("/")[1] for place in contents(tmp_path / "store")} >= {Stage.INGEST, Stage.MODEL_SCORES}
    assert not list(all_outputs(tmp_path / "store", Stage.FEATURES))
