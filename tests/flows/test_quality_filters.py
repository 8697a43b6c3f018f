"""Filters over what ingest measures: a blurred picture and a copy are dropped with their reasons, without a model."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from inline_run import curate_inline
from PIL import Image, ImageFilter
from workshop import Workshop

from windrow.flows.summary import summarise
from windrow.tasks.config import parse_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.run_records import latest_run

FILTERS = [
    {"name": "blurred", "keep": "blur > 0.001 and width >= 64"},
    {"name": "narrow", "keep": "aspect_ratio BETWEEN 0.5 AND 2 AND n_pixels >= 64 * 64"},
    {"name": "copy", "keep": "hash_group IS NULL OR hash_group = sample_id"},
]


def scene(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    for _ in range(10):
        x, y = (int(value) for value in rng.integers(0, 70, 2))
        image.paste(tuple(int(value) for value in rng.integers(0, 256, 3)), (x, y, x + 20, y + 14))
    return image


def save(folder: Path, image: Image.Image, name: str) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG" if name.endswith("jpg") else "PNG")
    (folder / name).write_bytes(out.getvalue())
    return hashlib.sha256(out.getvalue()).hexdigest()[:32]


def test_a_blurred_picture_and_a_copy_are_dropped_with_their_reasons(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    sharp = {save(pool, scene(seed), f"{seed}.png") for seed in range(12)}
    blurred = save(pool, scene(40).filter(ImageFilter.GaussianBlur(4)), "blurred.png")
    flat = save(pool, Image.new("RGB", (90, 90), "grey"), "flat.png")
    wide = save(pool, scene(20).resize((300, 70)), "wide.png")
    pair = {save(pool, scene(30), "original.png"), save(pool, scene(30).resize((120, 120)), "copy.jpg")}
    config = parse_config(
        {
            "sources": [str(pool)],
            "store": str(tmp_path / "store"),
            "features": {"name": "patches"},
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "selection": {"target_share": 1.0, "filters": FILTERS, "drop_near_duplicates": False},
        }
    )
    connection = open_catalog(curate_inline(config).store)
    found = connection.sql("SELECT reason, list(sample_id ORDER BY sample_id) FROM outcomes GROUP BY 1").fetchall()
    reasons = {reason: set(sample_ids) for reason, sample_ids in found}
    assert reasons["blurred"] == {blurred, flat}
    assert reasons["narrow"] == {wide}
    assert reasons["copy"] == {max(pair)}
    assert connection.sql("SELECT sample_id FROM pool WHERE phash IS NULL").fetchall() == [(flat,)]
    groups = connection.sql("SELECT group_id, n_in_group, sample_id FROM hash_groups ORDER BY sample_id").fetchall()
    assert (min(pair), 2, max(pair)) in groups
    near = connection.sql("""
        SELECT a.sample_id, b.sample_id FROM quality a JOIN quality b ON a.sample_id < b.sample_id
        WHERE bit_count(xor(a.phash, b.phash)) <= 6
    """).fetchall()
    assert (min(pair), max(pair)) in near
    assert {sample_id for both in near for sample_id in both} == {sample_id for _, _, sample_id in groups}
    kept = {row[0] for row in connection.sql("SELECT sample_id FROM curated").fetchall()}
    assert kept == sharp | {min(pair)}


def test_a_run_says_how_many_samples_look_alike_by_their_hash(workshop: Workshop) -> None:
    sql = "SELECT count(*) AS n, count(DISTINCT group_id) AS n_groups FROM hash_groups"
    answer = workshop.here("query", sql, "--store", str(workshop.store), "--format", "csv").stdout
    n_alike, n_groups = answer.split()[1].split(",")
    assert int(n_alike) > int(n_groups) > 0
    run = latest_run(workshop.store, "digits")
    assert run is not None
    assert f"{n_alike} samples in {n_groups} groups" in summarise(run)
    assert run.stage("hash_groups").counts["n_in_hash_groups"] == int(n_alike)  # type: ignore[union-attr]


def test_a_distance_of_hashes_out_of_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"hashes.max_distance: wants 16 or less, got 17"):
        parse_config({"sources": ["x"], "hashes": {"max_distance": 17}})
