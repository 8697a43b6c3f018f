"""A source reaches what lies in it: not where links lead, not a store, not what a pattern could match."""

import os
from pathlib import Path

import pytest

from windrow.schemas import OCCURRENCES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.listing.local_listing import OUTSIDE, STORE
from windrow.tasks.storage.sources.source_plan import check_sources, plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import open_output


def touch(folder: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def make_store(folder: Path) -> Path:
    for name in ("runs", "journal", "outputs/ingest", "curated/a/v0001/webdataset"):
        (folder / name).mkdir(parents=True)
    touch(folder, "lock", "runs/1/thumbnail.png", "curated/a/v0001/webdataset/train-000000.tar")
    return folder


def errors(shards: list[SourceShard]) -> dict[str, str | None]:
    loose = {file.path: file.error for shard in shards for file in shard.files}
    return loose | {shard.shard: shard.error for shard in shards if not shard.files}


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with links to files, folders, tars and sidecars in it and elsewhere."""
    touch(tmp_path, "set/a.png", "set/in/b.png", "set/in/1.tar", "secret/note.txt", "secret/p.png", "secret/2.tar")
    links = {
        "file.png": "secret/p.png", "folder": "secret", "away.tar": "secret/2.tar", "a.txt": "secret/note.txt",
        "parent": ".", "up": "set/..", "absolute.png": "secret/p.png", "chain.png": "set/file.png",
        "inside.png": "set/in/b.png", "inside": "set/in", "inside.tar": "set/in/1.tar", "in/loop": "set",
        "in/up.png": "set/a.png",
    }  # fmt: skip
    for name, target in links.items():
        is_absolute = name.startswith(("absolute", "a.", "in/"))
        place = tmp_path / "set" / name
        place.symlink_to(tmp_path / target if is_absolute else os.path.relpath(tmp_path / target, place.parent))
    return tmp_path


LED_OUT = {"file.png", "folder", "away.tar", "a.txt", "parent", "up", "absolute.png", "chain.png"}


def test_links_that_lead_outside_are_told_and_not_followed(linked: Path) -> None:
    found = errors(plan_shards([str(linked / "set")]))
    assert {name for name, error in found.items() if error} == LED_OUT
    assert set(filter(None, found.values())) == {OUTSIDE}
    inside = {"a.png", "in/b.png", "in/1.tar", "inside.png", "inside/b.png", "inside/1.tar", "inside.tar"}
    assert set(found) - LED_OUT == inside | {"in/up.png", "inside/up.png"}


def test_a_text_beside_an_image_does_not_come_from_elsewhere(linked: Path) -> None:
    for source in (str(linked / "set"), str(linked / "set" / "a.png"), str(linked / "set" / "a*.png")):
        shards = [shard for shard in plan_shards([source]) if shard.kind == "file"]
        sidecars = {file.path: file.sidecars for shard in shards for file in shard.files}
        assert sidecars["a.png"] == ()
        assert errors(shards)["a.txt"] == OUTSIDE
        done = ingest_shards(linked / "store", shards, IngestConfig(mode="copy"))
        rows = [row for one in done for row in open_output(linked / "store" / one.path).read(OCCURRENCES).to_pylist()]
        assert {row["key"]: row["unreadable"] for row in rows}["a.txt"] == OUTSIDE
        assert all(row["caption"] is None and not row["members"] for row in rows)


def test_the_setting_lets_links_lead_anywhere_but_not_in_circles(linked: Path) -> None:
    found = errors(plan_shards([str(linked / "set")], IngestConfig(follow_links=True)))
    assert set(found.values()) == {None}
    assert {"file.png", "folder/p.png", "folder/2.tar", "away.tar", "chain.png", "parent/secret/p.png"} <= set(found)


@pytest.mark.parametrize("pattern", ["*", "*.png", "**/*.png", "folder/*", "*/p.png", "file.png*"])
def test_patterns_reach_no_further(linked: Path, pattern: str) -> None:
    found = errors(plan_shards([f"{linked}/set/{pattern}"]))
    assert all(error == OUTSIDE for name, error in found.items() if name in LED_OUT)
    assert not any(name.startswith(("folder/", "parent/", "up/")) for name in found)


def test_a_source_that_is_a_link_itself_was_meant(linked: Path) -> None:
    (linked / "here").symlink_to(linked / "secret")
    assert set(errors(plan_shards([str(linked / "here")]))) == {"2.tar", "p.png"}
    assert set(errors(plan_shards([str(linked / "set" / "file.png")]))) >= {"file.png"}


def test_a_list_that_is_a_link_to_elsewhere_is_told(linked: Path) -> None:
    touch(linked, "secret/l.csv", data=b"url\nhttp://example.com\n")
    touch(linked, "lists/mine.csv", data=b"path\nx.png\n../secret/p.png\n")
    (linked / "lists" / "l.csv").symlink_to(linked / "secret" / "l.csv")
    shards = plan_shards([f"list:{linked}/lists"])
    assert {shard.shard: shard.error for shard in shards} == {"l.csv": OUTSIDE, "mine.csv#000000000": None}
    [done] = ingest_shards(linked / "store", [shard for shard in shards if not shard.error], IngestConfig())
    rows = open_output(linked / "store" / done.path).read(OCCURRENCES).to_pylist()
    assert [row["unreadable"] for row in rows][1].startswith("outside the list's folder")


@pytest.mark.parametrize(
    "place", ["", "curated/a/v0001/webdataset", "curated/a/v0001/webdataset/*.tar", "outputs", "**"]
)
@pytest.mark.parametrize("through", ["direct", "link", "link above", "list", "url"])
def test_a_store_and_all_below_it_is_no_source(tmp_path: Path, place: str, through: str) -> None:
    store = make_store(tmp_path / "data" / "store")
    named = store
    if through.startswith("link"):
        target = store if through == "link" else store.parent
        (tmp_path / "other").symlink_to(target)
        named = tmp_path / "other" if through == "link" else tmp_path / "other" / "store"
    prefix = {"list": "list:", "url": "file://"}.get(through, "")
    with pytest.raises(ValueError, match=r"sources: .* (is a store|lies in the store .*), and what Windrow makes"):
        check_sources([f"{prefix}{named}/{place}".rstrip("/")], tmp_path / "mine")


def test_the_configs_own_store_is_none_before_it_is_made(tmp_path: Path) -> None:
    touch(tmp_path, "pool/a.png")
    with pytest.raises(ValueError, match=r"sources: .*pool' is a store"):
        check_sources([str(tmp_path / "pool")], tmp_path / "pool")
    check_sources([str(tmp_path / "pool"), "python:a:B:c"], tmp_path / "pool" / "store")


def test_what_was_published_may_be_compared_with(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    check_sources([f"{store}/curated/a/v0001/webdataset"], store, "selection.keep_away", versions=True)
    with pytest.raises(ValueError, match=r"selection.keep_away: .* is a store"):
        check_sources([str(store)], store, "selection.keep_away", versions=True)


def test_a_store_in_a_source_is_left_out_and_told(tmp_path: Path) -> None:
    touch(tmp_path, "pool/a.png", "pool/sub/b.png")
    make_store(tmp_path / "pool" / "sub" / "store")
    (tmp_path / "pool" / "link").symlink_to(tmp_path / "pool" / "sub" / "store" / "runs")
    told = {"a.png": None, "sub/b.png": None, "sub/store": STORE, "link": STORE}
    assert errors(plan_shards([str(tmp_path / "pool")])) == told
    assert errors(plan_shards([f"{tmp_path}/pool/**/*.png"])) == told
    assert errors(plan_shards([f"{tmp_path}/pool/*"])) == told
    assert errors(plan_shards([str(tmp_path / "pool")], IngestConfig(follow_links=True)))["link"] == STORE
