"""A folder served over HTTP on loopback, whole or by ranges, with a count of the bytes that were sent."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Files(ThreadingHTTPServer):
    """Serves the files of a folder; `n_bytes` is what was sent of them."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.n_bytes, self.lock = folder, 0, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Files

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        file = self.server.folder / self.path.lstrip("/")
        data = file.read_bytes() if file.is_file() else b""
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(404 if not file.is_file() else 206 if part else 200)
        body = data
        if part:
            start, end = int(part[1]), min(int(part[2] or len(data) - 1), len(data) - 1)
            body = data[start : end + 1]
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        for name, value in {"Accept-Ranges": "bytes", "ETag": f'"{len(data)}"', "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            with self.server.lock:
                self.server.n_bytes += len(body)
            self.wfile.write(body)


@contextmanager
def serving_files(folder: Path) -> Iterator[Files]:
    """Serve a folder until the block ends."""
    with Files(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
