"""One file of a web server as a source, whether or not the server lists what lies beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_pool import png, stripes

from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, listing: int, directory: Path) -> None:
        self.listing = listing
        super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def list_directory(self, path: object) -> None:
        if self.listing == 200:
            return super().list_directory(path)  # type: ignore[arg-type, return-value]
        self.send_error(self.listing)
        return None


@contextmanager
def serving(folder: Path, listing: int) -> Iterator[str]:
    """Serve a folder on loopback; `listing`: the status of the answer to who asks what it holds."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, listing=listing, directory=folder)) as server:
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
