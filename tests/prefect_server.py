"""A Prefect server on loopback, as `prefect server start` runs one, for commands that need not start one each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

SECONDS = 180


@contextmanager
def prefect_server(home: Path, services: bool = False) -> Iterator[str]:
    """Serve Prefect's API from the database in `home` (a new one where there is none), and yield the API's URL.

    Without background `services` no schedule is kept and no automation acts; with them, one looks every second.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "start", "--no-ui", "--analytics-off", "--port", str(port)]
    settings = {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S"}
    home.mkdir(exist_ok=True)
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words, *([] if services else ["--no-services"])],
            cwd=home,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        api = f"http://127.0.0.1:{port}/api"
        _wait(process, api)
        yield api
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], api: str) -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"{api}/health", timeout=SECONDS):
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"Prefect's server does not answer at {api}")
