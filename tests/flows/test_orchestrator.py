"""A run ends well whatever becomes of its orchestrator: real servers that are broken, refuse, answer 503, or die."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from inline_run import curate_inline
from small_pool import make_small_pool

from windrow.flows.temporary_server import HOME, ServerError, temporary_server
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.run_records import latest_run, list_runs

Result = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a temporary server: to make one takes longer than most of these tests."""
    home = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(HOME, str(home))
        with temporary_server(seconds=300):
            pass
    with sqlite3.connect(home / "prefect.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return home / "prefect.db"


@pytest.fixture
def config(tmp_path: Path, migrated: Path) -> Path:
    """The config of a small pool, as a file, beside a home for Prefect."""
    (tmp_path / "home").mkdir()
    shutil.copy(migrated, tmp_path / "home")
    pool = make_small_pool(tmp_path)
    path = tmp_path / "windrow.yaml"
    values = {
        "sources": list(pool.config.sources),
        "name": "small",
        "store": str(pool.store),
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "features": {"name": "patches"},
        "labels": {"given": "none"},
        "selection": {"target_size": 10},
        "executor": {"kind": "inline"},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def windrow(config: Path, *words: str, **environment: str) -> Result:
    """Run `windrow run` with a home of its own for Prefect, and no server unless the environment names one."""
    return subprocess.run(
        [sys.executable, "-m", "windrow.flows.commands.cli", "run", str(config), *words],
        env=clean(config.parent, **environment),
        capture_output=True,
        text=True,
        timeout=240,
    )


def clean(folder: Path, **environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, HOME: str(folder / "home"), "PREFECT_HOME": str(folder / "users"), "COLUMNS": "200", **environment}


def ended_well(ended: Result, config: Path) -> None:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    store = Path(yaml.safe_load(config.read_text())["store"])
    assert [version.version for version in list_versions(store)] == ["v0001"]
    run = latest_run(store)
    assert run is not None
    assert run.warning is None


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Serve an API that is healthy and answers everything else with a status."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b"true" if self.path.endswith("/health") else b"{}"
            self.send_response(200 if self.path.endswith("/health") else status)
            self.send_header("retry-after", "0")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_refuses_is_told_and_the_run_goes_on(config: Path) -> None:
    api = "http://127.0.0.1:9/api"
    ended = windrow(config, PREFECT_API_URL=api)
    ended_well(ended, config)
    assert f"without Prefect (PREFECT_API_URL is {api}, which does not answer" in ended.stdout


def test_a_run_that_wants_prefect_and_has_none_says_so(config: Path) -> None:
    ended = windrow(config, "--runner", "prefect", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --runner prefect: there is no Prefect server: PREFECT_API_URL is")


def test_a_server_that_answers_503_to_everything_ends_no_run(config: Path) -> None:
    with answering(503) as api:
        ended = windrow(config, PREFECT_API_URL=api)
    ended_well(ended, config)
    assert ended.stdout.count("the run goes on without it") == 1


def test_a_database_of_a_newer_prefect_is_told_at_once_and_the_run_goes_on(config: Path) -> None:
    with sqlite3.connect(config.parent / "home" / "prefect.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    database.close()
    ended = windrow(config)
    ended_well(ended, config)
    assert re.search(r"without Prefect \(.*Can't locate revision.*ffffffffffff", ended.stdout), ended.stdout


def test_the_users_own_database_is_not_touched(config: Path) -> None:
    users = config.parent / "users"
    users.mkdir()
    (users / "prefect.db").write_bytes(b"not a database at all")
    ended = windrow(config)
    ended_well(ended, config)
    assert "without Prefect (" not in ended.stdout
    assert (users / "prefect.db").read_bytes() == b"not a database at all"


def children(pid: int, name: str) -> list[int]:
    """The processes that a process has started, whose command line holds a name."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (path / "status").read_text(), (path / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if f"PPid:\t{pid}\n" in status and name in command:
            found.append(int(path.name))
    return found


# A process that was started in the background of a script ignores Ctrl-C, and so would all that it starts.
HEEDING_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from windrow.flows.commands.cli import main
main()
"""


def start(config: Path, *words: str) -> tuple[subprocess.Popen[str], int]:
    """Start a run, and wait until its first stage is done; returns it with its server's process."""
    run = subprocess.Popen(
        [sys.executable, "-c", HEEDING_CTRL_C, "run", str(config), *words],
        env=clean(config.parent, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    while not (line := run.stdout.readline()).startswith("ingest: "):
        assert line, "the run ended before its first stage"
    (server,) = children(run.pid, "temporary_server")
    return run, server


def is_gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_server_that_is_killed_in_the_middle_ends_no_run(config: Path) -> None:
    run, server = start(config)
    os.kill(server, signal.SIGKILL)
    said, _ = run.communicate(timeout=240)
    ended_well(subprocess.CompletedProcess(run.args, run.returncode, said, ""), config)
    assert said.count("the run goes on without it") == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_no_server_outlives_a_run_that_is_killed(config: Path) -> None:
    run, server = start(config)
    run.kill()
    run.communicate()
    assert is_gone(server)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")])
def test_a_run_that_prefect_carries_ends_with_a_line_and_leaves_no_server(
    config: Path, number: signal.Signals, words: str
) -> None:
    run, server = start(config, "--runner", "prefect")
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)  # what it leaves running would hold this pipe open
    assert run.returncode == 128 + number, said
    assert said.count(f"{words}; what was finished is kept") == 1
    assert "Traceback" not in said
    assert "the run goes on without it" not in said
    assert is_gone(server)
    assert [each.status for each in list_runs(Path(yaml.safe_load(config.read_text())["store"]))] == ["failed"]
    assert [each.error for each in list_runs(Path(yaml.safe_load(config.read_text())["store"]))] == [
        f"ended by {number.name}"
    ]


def test_a_server_that_does_not_answer_in_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, str(tmp_path))
    with pytest.raises(ServerError, match="did not answer within 0 s"), temporary_server(seconds=0):
        pass


LIGHT = """
import sys
from windrow.flows.commands.cli import app, run_command
code = run_command(lambda: app(["run", sys.argv[1], "--runner", "plain"], standalone_mode=False))
heavy = {"torch", "faiss", "scipy", "sklearn", "prefect", "ray", "pandas", "windrow.tasks.report.page"}
print(code, sorted(heavy & set(sys.modules)))
"""


def test_a_run_that_finds_all_done_loads_no_model_no_prefect_and_starts_no_worker(config: Path) -> None:
    from windrow.tasks.config import load_config

    curate_inline(load_config(config))
    told = subprocess.run(
        [sys.executable, "-c", LIGHT, str(config)], env=clean(config.parent), capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "0 []", told.stdout
