"""Pools as people have them: every label is found, every picture is a sample once, and no mask is one."""

from pathlib import Path

import pytest
from layouts import LAYOUTS, Labels

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output


def found_labels(source: str, store: Path, config: IngestConfig | None = None) -> Labels:
    """The label of each picture, by its number; a picture that is there twice, or cannot be read, fails."""
    labels: Labels = {}
    config = config or IngestConfig()
    for done in ingest_shards(store, plan_shards([source], config), config):
        output = open_output(store / done.path)
        width = {row["sample_id"]: row["width"] for row in output.read(SAMPLES).to_pylist()}
        for row in output.read(OCCURRENCES).to_pylist():
            assert row["unreadable"] is None, row
            assert width[row["sample_id"]] not in labels, row
            labels[width[row["sample_id"]]] = row["found_label"]
    return labels


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_that_are_there_are_found(tmp_path: Path, name: str) -> None:
    expected = LAYOUTS[name](tmp_path / "pool")
    source = f"list:{tmp_path}/pool/list.csv" if name == "list_of_files" else f"{tmp_path}/pool"
    assert found_labels(source, tmp_path / "store") == expected
