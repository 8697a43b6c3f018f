"""Scores by a model in the store: one for each sample and class, errors with their reasons, and filters over them."""

import io
from pathlib import Path

import numpy as np
import pytest
from inline_run import curate_inline
from PIL import Image
from tiny_classifier import save_classifier

from windrow.schemas import MODEL_SCORES, OCCURRENCES
from windrow.tasks.config import parse_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.features.model_scores import score_shards
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.scorers import ScorerConfig, load_scorer
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("classifier"))


def fill(pool: Path, n: int) -> Path:
    pool.mkdir()
    for seed in range(n):
        values = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(values).resize((48, 40)).save(pool / f"{seed:02d}.png")
    return pool


def test_every_sample_has_a_row_for_each_class_and_one_that_is_gone_says_so(tmp_path: Path, model: Path) -> None:
    pool = fill(tmp_path / "pool", 5)
    ingested = [done.path for done in ingest_shards(tmp_path, plan_shards([str(pool)]), IngestConfig())]
    (pool / "03.png").unlink()
    config = ScorerConfig("safety", str(model), ("person", "bird"), batch_size=2)
    [done] = score_shards(tmp_path, ingested, config)
    rows = open_output(tmp_path / done.path).read(MODEL_SCORES).to_pylist()
    places = open_output(tmp_path / ingested[0]).read(OCCURRENCES).to_pylist()
    ids = {place["key"]: place["sample_id"] for place in places}
    images = {ids[key]: decode_rgb((pool / f"{key}").read_bytes()) for key in ids if key != "03.png"}
    scorer = load_scorer(config)
    assert [(row["sample_id"], row["score"]) for row in rows] == [
        (sample_id, score) for sample_id in sorted(ids.values()) for score in ("safety.person", "safety.bird")
    ]
    for row in rows:
        if row["sample_id"] == ids["03.png"]:
            assert row["value"] is None
            assert row["error"]
        else:
            column = ("safety.person", "safety.bird").index(row["score"])
            expected = scorer.score([images[row["sample_id"]]])[0, column]
            assert (row["value"], row["error"]) == (pytest.approx(expected, rel=1e-6), None)
    assert done.counts == {"n_samples": 5, "n_errors": 1}
    assert [again.found for again in score_shards(tmp_path, ingested, config)] == [True]
    other = ScorerConfig("safety", str(model), ("person",), batch_size=2)
    assert [again.found for again in score_shards(tmp_path, ingested, other)] == [False]


def test_a_filter_over_a_models_score_drops_what_it_should(tmp_path: Path, model: Path) -> None:
    scorer = ScorerConfig("safety", str(model), ("person",))
    pool = fill(tmp_path / "pool", 12)
    images = [decode_rgb(path.read_bytes()) for path in sorted(pool.iterdir())]
    scores = np.sort(load_scorer(scorer).score(images)[:, 0])
    least = float(scores[4] + scores[5]) / 2
    config = parse_config(
        {
            "sources": [str(pool)],
            "store": str(tmp_path / "store"),
            "scores": [{"name": "safety", "model": str(model), "classes": ["person"]}],
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "selection": {
                "target_share": 1.0,
                "filters": [{"name": "nobody", "keep": f"model_scores['safety.person'] > {least!r}"}],
                "drop_near_duplicates": False,
            },
        }
    )
    connection = open_catalog(curate_inline(config).store)
    dropped = connection.sql("SELECT max(model_scores['safety.person']) FROM pool WHERE dropped_by = 'nobody'")
    assert dropped.fetchall() == [(pytest.approx(float(scores[4])),)]
    assert connection.sql("SELECT count(*) FROM outcomes WHERE reason = 'nobody'").fetchall() == [(5,)]
    assert connection.sql("SELECT count(*) FROM curated").fetchall() == [(7,)]


def test_two_scorers_of_one_name_are_refused() -> None:
    scorer = {"name": "safety", "model": "m", "classes": ["x"]}
    with pytest.raises(ConfigError, match=r"scores: wants each once, got \['safety', 'safety'\]"):
        parse_config({"sources": ["x"], "scores": [scorer, scorer]})


def test_a_broken_shard_of_bytes_that_are_no_picture_has_no_scores(tmp_path: Path, model: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, "PNG")
    (pool / "a.png").write_bytes(out.getvalue()[:40])
    ingested = [done.path for done in ingest_shards(tmp_path, plan_shards([str(pool)]), IngestConfig())]
    [done] = score_shards(tmp_path, ingested, ScorerConfig("safety", str(model), ("person",)))
    assert done.counts == {"n_samples": 0, "n_errors": 0}
