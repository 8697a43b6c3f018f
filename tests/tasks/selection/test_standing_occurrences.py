"""The occurrence that stands for a sample is one that every filter accepts, and all that goes out is of it."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from begun_store import begin_store
from inline_run import curate_inline
from small_export import read_with_webdataset
from small_pool import png, stripes

from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import Version, latest_version

N = 12
LICENCES = {"a": "all rights reserved", "b": "CC BY 4.0", "c": "cc0"}
ONE_B = "sample_id IN (SELECT sample_id FROM occurrences WHERE source_uri LIKE '%/b'{})"
RULES = {
    "column": "source_uri LIKE '%/b'",
    "subquery": ONE_B.format(""),
    "licence": "license = 'CC BY 4.0'",
    "spdx": "spdx IN ('CC-BY-4.0')",
    "subquery on a licence": "sample_id IN (SELECT sample_id FROM occurrences WHERE spdx = 'CC-BY-4.0')",
    "exists": "EXISTS (SELECT 1 FROM occurrences o WHERE o.sample_id = pool.sample_id AND o.spdx = 'CC-BY-4.0')",
    "join": "sample_id IN (SELECT sample_id FROM occurrences JOIN samples USING (sample_id) "
    "WHERE key LIKE 'b%' AND width > 1)",
    "not the others": "source_uri NOT LIKE '%/a' AND source_uri NOT LIKE '%/c'",
    "caption": "sample_id IN (SELECT sample_id FROM occurrences WHERE caption LIKE 'b %')",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every picture lies in three folders, under another name, licence, caption, author and sidecar in each."""
    place = tmp_path_factory.mktemp("standing")
    for name, licence in LICENCES.items():
        (place / name).mkdir()
        for number in range(N):
            (place / name / f"{name}{number}.png").write_bytes(png(stripes(number)))
            told = {
                "license": licence,
                "caption": f"{name} {number}",
                "creator": name,
                "url": f"https://{name}.org/{number}",
            }
            (place / name / f"{name}{number}.json").write_text(json.dumps(told))
            (place / name / f"{name}{number}.md").write_text(name)
    return [str(place / name) for name in LICENCES]


@pytest.fixture(scope="module")
def unfiltered(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a run without filters: with them, all before the ranking is found done."""
    return curated(tmp_path_factory.mktemp("unfiltered") / "store", sources)[0].path.parents[2]


def curated(store: Path, sources: list[str], *rules: str) -> tuple[Version, Any]:
    filters = [{"name": f"rule {n}", "keep": keep} for n, keep in enumerate(rules)]
    selection = {"target_size": 100, "filters": filters, "drop_near_duplicates": False}
    values = {"sources": sources, "store": str(store), "features": {"name": "patches"}, "selection": selection}
    run = curate_inline(parse_config({**values, "clustering": {"n_clusters": [4, 2], "n_rounds": 1}}))
    version = latest_version(run.store, "curated")
    assert version is not None
    return version, open_catalog(run.store)


def facts(version: Version) -> set[tuple[str, ...]]:
    """What the exports say of where samples come from, in as many ways as they say it."""
    table = pq.read_table(version.path / "samples.parquet").to_pylist()
    found = {(Path(row["source_uri"]).name, row["caption"][0], row["author"], row["source_url"][8]) for row in table}
    for sample in read_with_webdataset(sorted(map(str, version.path.glob("webdataset/*.tar")))):
        told = json.loads(sample["json"])
        mine = json.loads(sample["json.source"])
        found.add(
            (
                Path(told["provenance"]["source_uri"]).name,
                told["provenance"]["key"][0],
                sample["md"].decode(),
                mine["creator"],
            )
        )
    return found


@pytest.mark.parametrize("rule", RULES)
def test_all_that_goes_out_is_of_an_accepted_occurrence(
    sources: list[str], unfiltered: Path, tmp_path: Path, rule: str
) -> None:
    version, catalog = curated(begin_store(tmp_path / "store", unfiltered), sources, "width > 1", RULES[rule])
    assert version.n_samples == N
    assert facts(version) == {("b",) * 4}
    sql = "SELECT DISTINCT o.key[1] FROM outcomes u JOIN occurrences o USING (occurrence_id) WHERE outcome = 'exported'"
    assert catalog.sql(sql).fetchall() == [("b",)]
    assert catalog.sql("SELECT DISTINCT key[1], spdx, author FROM pool").fetchall() == [("b", "CC-BY-4.0", "b")]
    assert catalog.sql("SELECT count(*) FROM standing").fetchall() == [(N,)]


@pytest.mark.parametrize(
    ("rules", "stands", "n"),
    [
        ((), "a", N),
        (("(SELECT count(*) FROM occurrences o WHERE o.sample_id = pool.sample_id) = 3",), "a", N),
        (("sample_id IN (SELECT sample_id FROM occurrences GROUP BY 1 HAVING count(*) > 1)", RULES["column"]), "b", N),
        ((ONE_B.format(" AND true"), "author <> 'a'"), "b", N),
        ((ONE_B.format(""), "(SELECT count(*) FROM samples) = 12"), "b", N),
    ],
)
def test_filters_that_ask_other_things_keep_what_they_kept(
    sources: list[str], unfiltered: Path, tmp_path: Path, rules: tuple[str, ...], stands: str, n: int
) -> None:
    version, _ = curated(begin_store(tmp_path / "store", unfiltered), sources, *rules)
    assert version.n_samples == n
    assert facts(version) == {(stands,) * 4}


def test_no_occurrence_that_breaks_one_filter_stands_for_another(sources: list[str], tmp_path: Path) -> None:
    run = curate_inline(
        parse_config(
            {
                "sources": sources,
                "store": str(tmp_path),
                "features": {"name": "patches"},
                "clustering": {"n_clusters": [2], "n_rounds": 1},
                "selection": {
                    "filters": [
                        {"name": "source", "keep": "source_uri LIKE '%/a'"},
                        {"name": "licence", "keep": "spdx IS NOT NULL"},
                        {
                            "name": "never said",
                            "keep": "sample_id NOT IN (SELECT sample_id FROM occurrences WHERE key = 'x')",
                        },
                    ]
                },
            }
        )
    )
    found = (
        open_catalog(run.store).sql("SELECT outcome, reason, count(*) FROM outcomes GROUP BY ALL ORDER BY 1").fetchall()
    )
    assert found == [("duplicate", "same bytes", 2 * N), ("filtered", "licence", N)]


def test_the_cards_table_of_licences_adds_up(sources: list[str], tmp_path: Path) -> None:
    version, _ = curated(tmp_path, [sources[0], sources[2]], "author = 'c' OR key < 'a5'")
    card = (version.path / "parquet" / "README.md").read_text()
    table = card.partition("## Licences\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    assert {row[0]: row[2] for row in rows[:-1]} == {
        "CC0-1.0": "SPDX",
        "all rights reserved": "as it came: no SPDX identifier",
    }
    assert sum(int(row[1]) for row in rows[:-1]) == int(rows[-1][1]) == version.n_samples == N
