"""A Prefect server for one run: on loopback, with a home of Windrow's own, and gone when the run's process is.

    python -m windrow.flows.temporary_server

serves until its standard input ends, which it does when the process at the other end is gone, however that went. The
home is Windrow's own, one a release of Prefect: a database in `~/.prefect` may have been migrated by a newer Prefect of
another project, and is nobody's to touch but the user's.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TextIO
from urllib.error import URLError
from urllib.request import urlopen

HOME = "WINDROW_PREFECT_HOME"
SECONDS_TO_START = 90.0
LINES_KEPT = 200
PORT = "port "
USERS_OWN = ("PREFECT_API_", "PREFECT_SERVER_DATABASE_", "PREFECT_PROFILE")


class ServerError(Exception):
    """No server could be started; the message says why."""


def server_home() -> Path:
    """Return the folder of the temporary server's database: WINDROW_PREFECT_HOME, or one in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(HOME) or cache / "windrow" / f"prefect-{version('prefect')}")


@contextmanager
def temporary_server(seconds: float = SECONDS_TO_START) -> Iterator[str]:
    """Serve Prefect's API while the block runs, and yield its URL.

    Raises ServerError when the server ends before it answers, within a second of its end, or does not answer in time.
    """
    home, deadline = server_home(), time.monotonic() + seconds
    home.mkdir(parents=True, exist_ok=True)
    with (home / "starting").open("w") as lock:  # two at once would both migrate the database
        while not _locked(lock):
            _wait_a_little(deadline, "another run's server is still starting")
        server = _Server(home)
        try:
            while not server.answers():
                if server.ended():
                    raise ServerError(server.why())
                _wait_a_little(deadline, f"it did not answer within {seconds:.0f} s")
        except BaseException:
            server.end()
            raise
    try:
        yield server.url
    finally:
        server.end()


def _wait_a_little(deadline: float, else_why: str) -> None:
    if time.monotonic() > deadline:
        raise ServerError(else_why)
    time.sleep(0.1)


class _Server:
    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(USERS_OWN)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "windrow.flows.temporary_server"],
            env={**kept, "PREFECT_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run, which ends its server last
        )
        self.url = ""
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._reader = threading.Thread(target=self._read, name="prefect-server-output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.startswith(PORT):
                self.url = f"http://127.0.0.1:{line.removeprefix(PORT).strip()}/api"
            else:
                self.lines.append(line.strip())

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=5):
                return True
        except (URLError, OSError, ValueError):
            return False

    def ended(self) -> bool:
        return self._process.poll() is not None

    def why(self) -> str:
        """The last error that the server told, or the last thing that it said."""
        self._reader.join(timeout=1)
        said = [line for line in self.lines if line]
        errors = [line for line in said if re.match(r"[\w.]+(Error|Exception|Exit)\b.*: ", line)]
        return [f"it ended with code {self._process.returncode} and said nothing", *said, *errors][-1]

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def serve() -> None:
    """Serve until standard input ends; the port is the first line that is printed."""
    threading.Thread(target=_end_with_input, name="end-with-parent", daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"{PORT}{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(create_app(ephemeral=True), log_level="error")).run(sockets=[listener])


def _end_with_input() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock this thread would hold when the server ends by itself
        pass
    os._exit(0)  # nothing here is worth a farewell: the database keeps itself whole


if __name__ == "__main__":
    serve()
