"""Licences come with samples, from sidecars and from columns, and lists of allowed ones are filters like any other."""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_pool import ids, png, stripes

from windrow.schemas import OCCURRENCES
from windrow.tasks.config import parse_config
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output

PICTURES = [png(stripes(seed)) for seed in range(7)]
LICENSES = ["cc0-1.0", "all rights reserved", None, "cc-by-4.0"]
SMALL = {"features": {"name": "patches"}, "clustering": {"n_clusters": [2], "n_rounds": 1}}
KEEP = "sample_id IN (SELECT sample_id FROM occurrences WHERE license IN ('cc0-1.0', 'cc-by-4.0'))"


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """A folder with 0, 1 and 2, a tar with 3 and, under another licence, 1, and a Parquet file with 4 to 6."""
    loose, tar, parquet = tmp_path / "loose", tmp_path / "some.tar", tmp_path / "some.parquet"
    loose.mkdir()
    for number in range(3):
        (loose / f"{number}.png").write_bytes(PICTURES[number])
        (loose / f"{number}.json").write_text(json.dumps({"license": LICENSES[number], "camera": "x"}))
    with tarfile.open(tar, "w") as file:
        for number, licence in ((3, LICENSES[3]), (1, "cc0-1.0")):
            for name, data in (("png", PICTURES[number]), ("json", json.dumps({"license": licence}).encode())):
                member = tarfile.TarInfo(f"{number}.{name}")
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    pq.write_table(pa.table({"image": PICTURES[4:], "license": ["cc-by-4.0", "unknown", None]}), parquet)
    return [str(loose), str(tar), str(parquet)]


def test_a_licence_is_a_column_of_occurrences_and_stays_among_the_metadata(sources: list[str], tmp_path: Path) -> None:
    found = {}
    for done in ingest_shards(tmp_path / "store", plan_shards(sources), IngestConfig()):
        for row in open_output(tmp_path / "store" / done.path).read(OCCURRENCES).to_pylist():
            found[row["kind"], row["key"]] = (row["license"], json.loads(row["metadata"] or "{}").get("license"))
    assert found == {
        ("file", "0.png"): ("cc0-1.0", "cc0-1.0"),
        ("file", "1.png"): ("all rights reserved", "all rights reserved"),
        ("file", "2.png"): (None, None),
        ("tar", "3"): ("cc-by-4.0", "cc-by-4.0"),
        ("tar", "1"): ("cc0-1.0", "cc0-1.0"),
        ("parquet", "0"): ("cc-by-4.0", "cc-by-4.0"),
        ("parquet", "1"): ("unknown", "unknown"),
        ("parquet", "2"): (None, None),
    }
    (done,) = ingest_shards(tmp_path / "store", plan_shards(sources[:1]), IngestConfig(license_key="camera"))
    assert open_output(tmp_path / "store" / done.path).read(OCCURRENCES)["license"].to_pylist() == ["x"] * 3
    with pytest.raises(ValueError, match=r"^license_key: wants something, got ''"):
        IngestConfig(license_key="")


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"name": "license", "keep": KEEP}, [0, 1, 3, 4]),
        ({"name": "source", "keep": KEEP.replace("license IN ('cc0-1.0', 'cc-by-4.0')", "kind = 'tar'")}, [1, 3]),
    ],
)
def test_a_sample_stays_when_one_of_its_occurrences_is_allowed(
    sources: list[str], tmp_path: Path, rule: dict[str, str], kept: list[int]
) -> None:
    values = {"sources": sources, "store": str(tmp_path / "store"), **SMALL}
    run = curate_inline(parse_config({**values, "selection": {"target_size": 9, "filters": [rule]}}))
    connection = open_catalog(run.store)
    found = connection.sql("SELECT sample_id FROM curated").fetchall()
    assert sorted(row[0] for row in found) == ids(*(PICTURES[number] for number in kept))
    reasons = connection.sql("SELECT DISTINCT outcome, reason FROM outcomes WHERE outcome = 'filtered'").fetchall()
    assert reasons == [("filtered", rule["name"])]
