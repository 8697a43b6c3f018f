"""A hub on the loopback that keeps what it is sent: the part of the Hugging Face Hub's API that uploads and loads use.

As `huggingface_hub` calls it without Xet: repositories, what is large, git LFS's batches, commits, trees and files.
"""

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

SHA = "1" * 40


@dataclass
class Hub:
    """What came. `objects` by SHA-256, `files` by path; `puts` counts uploads of each object; `asked` are the calls.

    `breaks_after`: objects that it takes before it breaks each further upload off, None for all.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    puts: Counter[str] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)
    breaks_after: int | None = None
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def hub() -> Iterator[Hub]:
    """Serve a hub while the block runs."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        self.hub.asked.append(f"POST {path}")
        if path == "/api/repos/create":
            return self._json({"url": f"{self.hub.url}/datasets/me/set", "name": "me/set"})
        if path == "/api/validate-yaml":
            return self._json({"warnings": [], "errors": []})
        if "/preupload/" in path:
            return self._json({"files": [self._mode(file) for file in json.loads(body)["files"]]})
        if path.endswith("/info/lfs/objects/batch"):
            return self._json({"transfer": "basic", "objects": list(map(self._wanted, json.loads(body)["objects"]))})
        if "/paths-info/" in path:
            asked = re.findall(r"paths=([^&]+)", body.decode()) or json.loads(body)["paths"]
            return self._json([self._entry(unquote(name)) for name in asked if unquote(name) in self.hub.files])
        if "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines()])
            oid = {"commitOid": SHA, "commitUrl": f"{self.hub.url}/datasets/me/set/commit/{SHA}"}
            return self._json({**oid, "success": True})
        return self._json({"error": "no such call"}, 404)

    def do_PUT(self) -> None:
        oid, body = self.path.rpartition("/")[2], self._body()
        with self.hub.lock:
            broken = self.hub.breaks_after is not None and len(self.hub.objects) >= self.hub.breaks_after
            if not broken:
                self.hub.puts[oid] += 1
                self.hub.objects[oid] = body
        self._json({"error": "broken off"} if broken else {}, 400 if broken else 200)

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        resolved = re.fullmatch(r"/datasets/me/set/resolve/[^/]+/(.+)", path)
        if resolved:
            return self._file(resolved[1])
        if tree := re.fullmatch(r"/api/datasets/me/set/tree/[^/]+/?(.*)", path):
            return self._tree(tree[1], "recursive=true" in urlsplit(self.path).query.lower())
        if re.fullmatch(r"/api/datasets/me/set(/revision/[^/]+)?", path):
            siblings = [{"rfilename": name} for name in sorted(self.hub.files)]
            known = {"id": "me/set", "_id": "1", "sha": SHA, "private": False, "disabled": False, "gated": False}
            return self._json({**known, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings})
        return self._json({"error": "not found"}, 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith((".parquet", ".tar"))
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": None}

    def _wanted(self, asked: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{self.hub.url}/objects/{asked['oid']}"}}
        return {**asked, "authenticated": True, **({} if asked["oid"] in self.hub.objects else {"actions": upload})}

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[value["path"]] = self.hub.objects[value["oid"]]

    def _entry(self, name: str) -> dict[str, Any]:
        data = self.hub.files[name]
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _tree(self, folder: str, recursive: bool) -> None:
        below = [name for name in self.hub.files if name.startswith(f"{folder}/" if folder else "")]
        if folder and not below:
            return self._json({"error": "not found"}, 404)
        start = len(folder) + 1 if folder else 0
        folders = {name[: name.index("/", start)] for name in below if "/" in name[start:]}
        shown = [name for name in below if recursive or "/" not in name[start:]]
        listed = [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted(folders)]
        return self._json(listed + [self._entry(name) for name in sorted(shown)])

    def _file(self, name: str) -> None:
        data = self.hub.files.get(name)
        if data is None:
            self._json({"error": "not found"}, 404)
            return
        first, last = 0, len(data) - 1
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        self.send_response(206 if asked else 200)
        etag, length = hashlib.sha256(data).hexdigest(), last - first + 1
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": SHA, "X-Linked-Size": len(data), "Content-Length": length}
        for key, value in (headers | ({"Content-Range": f"bytes {first}-{last}/{len(data)}"} if asked else {})).items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first : last + 1])

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
