"""Files of a web server as a source, whether or not the server lists what lies beside them."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import put_tar
from small_pool import png, stripes

from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, listing: int, directory: Path, asked: list[str]) -> None:
        self.listing, self.asked = listing, asked
        super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def log_request(self, *_: object) -> None:
        self.asked.append(f"{self.command} {self.path}")

    def list_directory(self, path: object) -> None:
        if self.listing == 200:
            return super().list_directory(path)  # type: ignore[arg-type, return-value]
        self.send_error(self.listing)
        return None


@contextmanager
def serving(folder: Path, listing: int, asked: list[str] | None = None) -> Iterator[str]:
    """Serve a folder on loopback; `listing`: the status of the answer to who asks what it holds."""
    handler = partial(_Handler, listing=listing, directory=folder, asked=[] if asked is None else asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(png(stripes(1)))
    (tmp_path / "a.cls").write_bytes(b"cat")
    return tmp_path


@pytest.mark.parametrize("listing", [400, 401, 403, 404, 405, 410, 501])
def test_a_server_that_lists_nothing_gives_the_named_file(folder: Path, listing: int) -> None:
    with serving(folder, listing) as web:
        (shard,) = plan_shards([f"{web}/a.png"], IngestConfig(), ())
    (file,) = shard.files
    assert file.path == "a.png" and not file.sidecars


def test_a_server_that_lists_gives_what_lies_beside_it(folder: Path) -> None:
    with serving(folder, 200) as web:
        (shard,) = plan_shards([f"{web}/a.png"], IngestConfig(), ())
    (file,) = shard.files
    assert file.path == "a.png" and [name for name, _ in file.sidecars] == ["cls"]


@pytest.mark.parametrize("listing", [429, 500, 503])
def test_a_server_that_fails_is_no_empty_folder(folder: Path, listing: int) -> None:
    with serving(folder, listing) as web, pytest.raises(Exception, match=str(listing)):
        plan_shards([f"{web}/a.png"], IngestConfig(), ())


def found(*sources: str) -> list[Found]:
    shards = plan_shards(sources, IngestConfig())
    return [one for shard in shards for one in iterate_shard(shard, IngestConfig())]


@pytest.fixture
def tars(tmp_path: Path) -> list[str]:
    """Tars, each with a table of its keys beside it."""
    for number in range(4):
        put_tar(tmp_path / f"{number}.tar", {"1.png": png(stripes(number))})
        pq.write_table(pa.table({"key": ["1"], "label": [f"cat {number}"]}), tmp_path / f"{number}.parquet")
    return [f"{number}.tar" for number in range(4)]


@pytest.mark.parametrize("source", ["a.png", "*.png"])
def test_what_lies_beside_a_picture_of_the_web_is_read(folder: Path, source: str) -> None:
    (folder / "a.seg.png").write_bytes(png(stripes(2)))
    with serving(folder, 200) as web:
        (one,) = found(f"{web}/{source}")
    assert one.label == "cat"
    members = [(member.extension, member.byte_length) for member in one.members]
    assert members[0] == ("cls", 3) and len(members) == (2 if "*" in source else 1)


@pytest.mark.parametrize("changed", ["a.png", "a.cls"])
@pytest.mark.parametrize("source", ["a.png", "*.png"])
def test_a_file_of_the_web_that_changed_is_read_again(folder: Path, source: str, changed: str) -> None:
    with serving(folder, 200) as web:
        before = plan_shards([f"{web}/{source}"])
        assert plan_shards([f"{web}/{source}"]) == before
        os.utime(folder / changed, (0, 0))
        assert plan_shards([f"{web}/{source}"])[0].identity != before[0].identity


@pytest.mark.parametrize("listing", [200, 403])
def test_tables_beside_tars_of_the_web_are_found_without_listing_a_folder(
    tmp_path: Path, tars: list[str], listing: int
) -> None:
    asked: list[str] = []
    with serving(tmp_path, listing, asked) as web:
        assert [one.label for one in found(*(f"{web}/{tar}" for tar in tars))] == [f"cat {n}" for n in range(4)]
    assert not {"GET /", "HEAD /"} & set(asked)
    assert max(Counter(asked).values()) <= 3  # when it is planned, to know where it lies, to open it


@pytest.mark.usefixtures("tars")
def test_tables_beside_a_glob_of_the_web_are_found_with_their_folder_listed_a_few_times(tmp_path: Path) -> None:
    asked: list[str] = []
    with serving(tmp_path, 200, asked) as web:
        assert [one.label for one in found(f"{web}/*.tar")] == [f"cat {n}" for n in range(4)]
    assert Counter(asked)["GET /"] <= 3


@pytest.mark.usefixtures("tars")
def test_planning_asks_once_for_a_file_of_the_web_that_nothing_lies_beside(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [png(stripes(1))]}), tmp_path / "a.parquet")
    for name in ("a.parquet", "0.tar?X-Amz-Signature=1"):
        asked: list[str] = []
        with serving(tmp_path, 200, asked) as web:
            plan_shards([f"{web}/{name}"])
        assert asked == [f"HEAD /{name}"]


@pytest.mark.parametrize("place", ["", "below/"])
def test_a_folder_of_the_web_is_told_to_be_no_source(folder: Path, place: str) -> None:
    (folder / "below").mkdir()
    with serving(folder, 200) as web, pytest.raises(ValueError, match=r"folder of a web server: name its files by a"):
        plan_shards([f"{web}/{place}"])
