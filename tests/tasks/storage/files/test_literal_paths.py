"""Names with the characters of patterns, of SQL and of terminals: a store and a source of any name work."""

import ast
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from code_graph import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.flows.commands.answers import draw_report
from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.literal_paths import literal_path, parquet_scan
from windrow.tasks.storage.verify.verification import verify

NAMES = st.text(st.sampled_from("ab1*?[]!^-'\"%{}$ ~=;#&\nü犬"), min_size=1, max_size=8).filter(
    lambda name: not name.startswith(".") and name.strip() == name
)


@given(NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_duckdb_reads_the_file_that_is_named_and_no_other(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    for decoy in ("a", "b", "1", "ab", "a1", "aa", name.replace("[", "").replace("]", "") or "a"):
        (tmp_path / decoy).mkdir(exist_ok=True)
        pq.write_table(pa.table({"v": ["decoy"]}), tmp_path / decoy / f"{decoy}.parquet")
    pq.write_table(pa.table({"v": [name]}), folder / f"{name}.parquet")
    rows = duckdb.connect().sql(f"FROM {parquet_scan([folder / f'{name}.parquet'])}").fetchall()
    assert rows == [(name,)]


def test_a_backslash_beside_a_pattern_is_refused_in_a_sentence() -> None:
    assert literal_path("/a\\b") == "/a\\b"
    with pytest.raises(ValueError, match="a backslash in a path with"):
        literal_path("/a\\b[1]")


def test_no_other_module_puts_a_path_into_sql() -> None:
    """The card of a version shows its reader a line of SQL, which nobody here runs."""
    reads = re.compile(r"\b(read_(parquet|csv|json|text|blob)\w*|sniff_csv)\s*\(|(?<!DISTINCT )\b(FROM|TO|ATTACH)\s+'")
    places = {
        str(file.relative_to(ROOT))
        for top in ("tasks", "flows", "windrow")
        for file in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and reads.search(node.value)
    }
    assert places == {"tasks/storage/files/literal_paths.py", "tasks/storage/published/card_loading.py"}


@pytest.mark.parametrize("name", ["a[1]", "it's b*", "c?d 50%", "[!x] day=1", "déjà犬\nlines"])
def test_a_store_and_a_source_of_any_name_go_all_the_way(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    pool = place / f"pool {name}"
    pool.mkdir(parents=True)
    for number in range(5):
        (pool / f"{number}{name}.png").write_bytes(png(stripes(number)))
    for decoy in ("a1", "it's bb", "cxd 50%", "x day=1"):
        (tmp_path / decoy / "store").mkdir(parents=True)
    labels = place / f"labels{name}.csv"
    keys = [f"{number}{name}.png".replace('"', '""') for number in range(2)]
    labels.write_text('key,label\n"{}",cat\n"{}",dog\n'.format(*keys))
    for decoy in ("labelsa1.csv", "labelsit's bb.csv"):
        (place / decoy).write_text("key,label\nx,y\n")
    values = {
        "sources": [str(pool)],
        "name": "odd",
        "store": str(place / f"store{name}"),
        "labels": {"given": str(labels), "makers": ["knn"], "combine": ["knn"]},
        "features": {"name": "patches", "image_size": 16},
        "clustering": {"n_clusters": [2], "n_rounds": 1},
    }
    run = curate_inline(parse_config(values))
    catalog = open_catalog(run.store)
    assert catalog.sql("SELECT count(*) FROM pool").fetchall() == [(5,)]
    assert catalog.sql("SELECT DISTINCT given_label FROM pool ORDER BY 1 NULLS LAST").fetchall() == [
        ("cat",), ("dog",), (None,)]  # fmt: skip
    assert draw_report(run.store, None, None).exists()
    version = run.store / "curated" / "odd" / "v0001"
    assert verify(run.store).damage == ()
    assert (version / "webdataset").is_dir()
