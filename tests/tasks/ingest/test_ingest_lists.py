"""Lists through ingest: what is fetched is verified, what failed for now is fetched later, and nothing is lost."""

from pathlib import Path
from typing import Any

import pytest
from web_server import Web, picture

from windrow.schemas import OCCURRENCES
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.ingest.ingestion import COPY, ingest_shard
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import Done, open_output


def config(**fetch: Any) -> IngestConfig:
    return IngestConfig(fetch=FetchConfig(**{"allow_private": True, "retry_seconds": 0.001, "tries": 1, **fetch}))


def ingest(folder: Path, wanted: IngestConfig) -> Done:
    [shard] = plan_shards([f"list:{folder}/urls.csv"], wanted)
    return ingest_shard(folder / "store", shard, wanted)


def unreadable(folder: Path, done: Done) -> list[str | None]:
    reasons: list[str | None] = open_output(folder / "store" / done.path).read(OCCURRENCES)["unreadable"].to_pylist()
    return reasons


def write(folder: Path, *locations: str) -> None:
    (folder / "urls.csv").write_text("\n".join(["url", *locations]) + "\n")


def test_what_is_fetched_is_verified_like_any_sample(web: Web, tmp_path: Path) -> None:
    write(tmp_path, f"{web.url}/img/1.png", f"{web.url}/html", f"{web.url}/none", f"{web.url}/img/1.png", "x.png")
    done = ingest(tmp_path, config())
    assert unreadable(tmp_path, done) == [None, "not an image", "HTTP 404", None, "file is gone"]
    counts = {"n_occurrences": 5, "n_unreadable": 3, "n_samples": 1, "n_to_retry": 0, "n_bytes_copied": 10240}
    counts["n_source_columns"] = 1
    assert done.counts == counts
    again = ingest(tmp_path, config())
    assert (again.found, again.path) == (True, done.path)


def test_what_failed_for_now_is_fetched_by_the_next_run_and_then_found_done(web: Web, tmp_path: Path) -> None:
    write(tmp_path, f"{web.url}/img/1.png", f"{web.url}/broken", f"{web.url}/none")
    first = ingest(tmp_path, config())
    assert unreadable(tmp_path, first) == [None, "HTTP 500", "HTTP 404"]
    assert first.counts["n_to_retry"] == 1
    second = ingest(tmp_path, config())
    assert (second.found, unreadable(tmp_path, second)) == (False, [None, None, "HTTP 404"])
    third = ingest(tmp_path, config())
    assert (third.found, third.path) == (True, second.path)
    assert web.asked["/none"] == 1


def test_what_fails_in_every_run_is_given_up_after_so_many(web: Web, tmp_path: Path) -> None:
    write(tmp_path, f"{web.url}/down")
    assert [ingest(tmp_path, config(runs=3)).found for _ in range(5)] == [False, False, False, True, True]
    assert web.asked["/down"] == 3


def test_local_files_are_kept_by_the_next_run_and_not_read_as_new(web: Web, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(9))
    (tmp_path / "page.html").write_text("<html>")
    write(tmp_path, "a.png", f"{web.url}/broken", "page.html", "a.png")
    assert unreadable(tmp_path, ingest(tmp_path, config())) == [None, "HTTP 500", "not an image", None]
    assert unreadable(tmp_path, ingest(tmp_path, config())) == [None, None, "not an image", None]


def test_the_pace_is_nothing_to_what_is_done_and_the_rules_are(web: Web, tmp_path: Path) -> None:
    write(tmp_path, f"{web.url}/img/1.png")
    done = ingest(tmp_path, config())
    assert ingest(tmp_path, config(concurrency=2, read_seconds=7.0, tries=5)).path == done.path
    assert ingest(tmp_path, config(respect_opt_out=False)).path != done.path


def test_how_lists_are_fetched_is_nothing_to_other_sources(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    [shard] = plan_shards([f"{tmp_path}/a.png"])
    first = ingest_shard(tmp_path / "store", shard, config())
    assert ingest_shard(tmp_path / "store", shard, IngestConfig(url_column="u")).path == first.path


def test_local_files_of_a_list_are_read_again_in_place_and_what_was_fetched_from_the_store(
    web: Web, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture(9))
    write(tmp_path, "a.png", f"{web.url}/img/1.png")
    occurrences = open_output(tmp_path / "store" / ingest(tmp_path, config()).path).read(OCCURRENCES)
    assert [copy is None for copy in occurrences["copy"].to_pylist()] == [True, False]
    n_asked = web.asked["/img/1.png"]
    found = [data for _, data in read_samples(occurrences, tmp_path / "store")]
    assert [sample_id_of(data) for data in found if isinstance(data, bytes)] == occurrences["sample_id"].to_pylist()
    assert web.asked["/img/1.png"] == n_asked


def test_nothing_is_copied_where_nothing_comes_from_the_web(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(9))
    write(tmp_path, "a.png")
    done = ingest(tmp_path, config())
    assert not (tmp_path / "store" / done.path / COPY).exists()


@pytest.mark.parametrize("source", ["urls.csv", "list:urls.csv"])
def test_a_relative_list_is_relative_to_the_working_directory(
    web: Web, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.png", f"{web.url}/img/1.png")
    (tmp_path / "a.png").write_bytes(picture(9))
    monkeypatch.chdir(tmp_path)
    if source == "urls.csv":
        with pytest.raises(ValueError, match="holds no samples"):
            plan_shards([source])
        return
    [shard] = plan_shards([source])
    done = ingest_shard(tmp_path / "store", shard, config())
    assert unreadable(tmp_path, done) == [None, None]
