"""A version that is a source again: what was given comes as given, and what was guessed does not."""

import json
import shutil
from pathlib import Path

import pytest
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.schemas import OCCURRENCES
from windrow.schemas.stages import Stage
from windrow.tasks.config import parse_config
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output

CLASSES = ("tabby cat", "dog")


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_a_version_as_a_source_keeps_class_names_and_what_is_given(tmp_path: Path, layout: str) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    for number in range(24):
        (pool / f"{number:02d}.png").write_bytes(png(stripes(number)))
        given = {"caption": f"picture {number}", "author": "me", "license": "cc0-1.0"}
        given |= {"label": CLASSES[number % 2]} if number < 12 else {}
        (pool / f"{number:02d}.json").write_text(json.dumps(given))
    values = {
        "sources": [str(pool)],
        "name": "first",
        "store": str(tmp_path / "store"),
        "features": {"name": "patches", "image_size": 16},
        "clustering": {"n_clusters": [3], "n_rounds": 1},
        "selection": {"target_size": 20, "near_duplicate_threshold": 1.0},
    }
    run = curate_inline(parse_config(values))
    sql = "SELECT sample_id, given_label, label, p.abstained FROM curated p"
    exported = {row[0]: row[1:] for row in open_catalog(run.store).sql(sql).fetchall()}
    assert any(given is None and label is not None for given, label, _ in exported.values())  # there is a guess
    shutil.copytree(run.store / "curated" / "first" / "v0001" / layout, tmp_path / "copied")
    done = ingest_shards(tmp_path / "other", plan_shards([str(tmp_path / "copied")]), IngestConfig())
    rows = [row for one in done for row in open_output(tmp_path / "other" / one.path).read(OCCURRENCES).to_pylist()]
    rows = [row for row in rows if row["sample_id"]]
    assert {row["sample_id"]: row["found_label"] for row in rows} == {name: row[0] for name, row in exported.items()}
    for row in rows:
        metadata = json.loads(row["metadata"])
        assert row["caption"].startswith("picture ")
        assert (row["license"], metadata["author"]) == ("cc0-1.0", "me")
        label, abstained = exported[row["sample_id"]][1:]
        assert metadata.get("pseudo_label") == (None if abstained else label)
    assert run.stage(Stage.EXPORT)
