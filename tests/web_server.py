"""A real HTTP server on loopback that answers as badly as servers do."""

from __future__ import annotations

import gzip
import io
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


def picture(number: int, size: int = 8) -> bytes:
    """Return a small PNG, another one for each number."""
    data = io.BytesIO()
    Image.new("RGB", (size, size), (number % 256, number // 256 % 256, 77)).save(data, "PNG")
    return data.getvalue()


class Web(ThreadingHTTPServer):
    """Counts requests by path; `robots` is its robots.txt (None: there is none). With `tls` it speaks HTTPS."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.asked: Counter[str] = Counter()
        self.seen_headers: dict[str, dict[str, str]] = {}
        self.robots: bytes | None = None
        self.robots_status = 200
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.last_asked = self.began = 0.0
        self.pause: tuple[int, str] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve until the block ends."""
    with Web(tls) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.ended.set()
            web.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Web

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        web = self.server
        with web.lock:
            web.asked[self.path] += 1
            web.last_asked = time.monotonic()
            web.seen_headers[self.path] = dict(self.headers)
        try:
            getattr(self, "get_" + self.path.split("/")[1].split("?")[0].replace(".", "_"), self.get_missing)()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def get_robots_txt(self) -> None:
        if self.server.robots is None:
            self.get_missing()
        else:
            self.answer(self.server.robots_status, self.server.robots)

    def get_missing(self) -> None:
        self.answer(404, b"nothing here")

    def get_img(self) -> None:
        self.answer(200, picture(int(self.path.rpartition("/")[2].partition(".")[0])))

    def get_slow(self) -> None:
        web = self.server
        with web.lock:
            web.at_once += 1
            web.most_at_once = max(web.most_at_once, web.at_once)
        web.ended.wait(0.05)
        with web.lock:
            web.at_once -= 1  # before the answer, after which the next request may come at once
        self.get_img()

    def get_html(self) -> None:
        self.answer(200, b"<html>not found, but 200</html>", Content_Type="image/png")

    def get_stall(self) -> None:
        self.server.ended.wait(10)
        self.close_connection = True

    def get_drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.ended.wait(0.02):
            self.wfile.write(b"x")

    def get_driphead(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.ended.wait(0.02):
            self.wfile.write(b"X-A: b\r\n")

    def get_cut(self) -> None:
        self.answer(200, picture(1), Content_Length=str(len(picture(1)) + 10))
        self.close_connection = True

    def get_short(self) -> None:
        self.answer(200, picture(1), Content_Length=str(len(picture(1)) - 20))
        self.close_connection = True

    def get_huge(self) -> None:
        self.answer(200, b"", Content_Length=str(10**15))

    def get_endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.server.ended.is_set():
            self.wfile.write(bytes(2**14))

    def get_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nabcde\r\n")
        self.close_connection = True

    def get_gzip(self) -> None:
        self.answer(200, gzip.compress(picture(2)), Content_Encoding="gzip")

    def get_bomb(self) -> None:
        self.answer(200, gzip.compress(bytes(2**24)), Content_Encoding="gzip")

    def get_brotli(self) -> None:
        self.answer(200, b"xx", Content_Encoding="br")

    def get_to(self) -> None:
        """Redirect to what follows '/to?'."""
        self.answer(302, Location=self.path.partition("?")[2])

    def get_busy(self) -> None:
        self.fail_first(429, Retry_After="0")

    def get_paused(self) -> None:
        """Answer with the status and the Retry-After of `pause` until a second after the first request."""
        web = self.server
        with web.lock:
            web.began = web.began or time.monotonic()
            is_early = time.monotonic() - web.began < 1
        if is_early and web.pause is not None:
            self.answer(web.pause[0], Retry_After=web.pause[1])
        else:
            self.answer(200, picture(4))

    def get_busylong(self) -> None:
        self.answer(429, Retry_After="3600")

    def get_broken(self) -> None:
        self.fail_first(500)

    def get_down(self) -> None:
        self.answer(503)

    def get_reset(self) -> None:
        self.close_connection = True

    def get_garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-what\r\n\r\n")
        self.close_connection = True

    def get_tagged(self) -> None:
        self.answer(200, picture(3), X_Robots_Tag=self.path.partition("?")[2].replace("%20", " "))

    def fail_first(self, status: int, **headers: str) -> None:
        if self.server.asked[self.path] == 1:
            self.answer(status, **headers)
        else:
            self.answer(200, picture(4))
