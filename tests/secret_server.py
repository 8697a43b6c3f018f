"""A server on loopback that gives its files only to who knows a login and a token, by ranges as object stores do."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class SecretServer(ThreadingHTTPServer):
    """`files` by path; each is given to `login` ('user:password') with `token` in the query. `moved`: redirects."""

    daemon_threads = True

    def __init__(self, login: str, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login, self.token = login, token
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SecretServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server, parts = self.server, urlsplit(self.path)
        login = "Basic " + base64.b64encode(server.login.encode()).decode()
        if parts.path in server.moved:
            return self.answer(302, Location=server.moved[parts.path])
        known = self.headers.get("Authorization") == login and parse_qs(parts.query).get("token") == [server.token]
        data = server.files.get(parts.path)
        if data is None or not known:
            return self.answer(404 if known else 401)
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        span = f"bytes {start}-{end}/{len(data)}"
        if "Range" not in self.headers:
            return self.answer(200, data, Accept_Ranges="bytes")
        return self.answer(206, data[start : end + 1], Accept_Ranges="bytes", Content_Range=span)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "ETag": '"1"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def serving_secrets(login: str, token: str) -> Iterator[SecretServer]:
    """Serve until the block ends."""
    with SecretServer(login, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
