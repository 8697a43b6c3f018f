"""`windrow serve` in a process of its own: who is answered, what is answered, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pyarrow as pa
import pytest
from command_line import run_here
from reaching_sql import OUTSIDE
from small_pool import SmallPool


@dataclass(frozen=True)
class Served:
    """A store that is served, at an address, with a token, and where temporary files go."""

    process: subprocess.Popen[str]
    root: str
    token: str
    scratch: Path

    def ask(
        self, sql: str | None = None, *, token: str | None = None, body: str | None = None, **more: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        words = {**({"sql": sql} if sql is not None else {}), **more}
        return self.get(f"/{quote(self.token if token is None else token)}/query?{urlencode(words)}", body=body)

    def get(self, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        request = Request(self.root + path, body.encode() if body is not None else None, headers)
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except HTTPError as error:
            return error.code, error.read(), dict(error.headers)


@pytest.fixture(scope="module")
def pool(small: SmallPool) -> SmallPool:
    return small


@contextmanager
def serving(pool: SmallPool, *options: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "windrow", "serve", "--store", str(pool.store), *options]
    scratch = Path(tempfile.mkdtemp(dir=pool.store.parent))
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/(\S+)/\n", process.stdout.readline())
        assert found is not None
        yield Served(process, found[1], found[2], scratch)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL or (process.returncode, len(complained.splitlines())) == (130, 1)


@pytest.fixture(scope="module")
def served(pool: SmallPool) -> Iterator[Served]:
    with serving(pool, "--seconds", "2", "--memory", "1", "--answer-size", "0.001") as found:
        yield found


def test_a_question_is_answered_as_json_lines_csv_and_arrow(served: Served) -> None:
    sql = "SELECT sample_id, rank FROM curated ORDER BY rank"
    code, said, headers = served.ask(sql)
    rows = [json.loads(line) for line in said.splitlines()]
    assert (code, headers["content-type"]) == (200, "application/x-ndjson")
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) > 9
    code, said, _ = served.ask(body=sql, format="csv")
    assert (code, said.decode().splitlines()[1]) == (200, f"{rows[0]['sample_id']},1")
    _, said, _ = served.ask(sql, format="arrow")
    assert pa.ipc.open_stream(said).read_all().to_pylist() == rows


DIGESTS = "SELECT md5(range::VARCHAR) AS digest FROM range(100000)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"sql": "DROP TABLE pool"}, "only SELECT"),
        *(({"sql": sql}, told) for sql, told in OUTSIDE),
        ({"sql": "SELECT"}, "Parser Error"),
        ({"sql": "--out x"}, ""),
        ({"sql": "SELECT '\0'"}, "NUL"),
        ({}, "wants SQL"),
        ({"sql": "SELECT 1", "format": "xml"}, "format: wants one of json, csv, arrow, parquet"),
        ({"sql": "SELECT 1", "run": "none"}, "has no run 'none'"),
        ({"body": "SELECT 1 -- " + "x" * 2**17}, "at most"),
        ({"sql": DIGESTS}, "larger than 0.001 GiB"),
        ({"sql": DIGESTS, "format": "parquet"}, "larger than 0.001 GiB"),
    ],
)
def test_what_is_no_question_is_told_so(served: Served, words: dict[str, str], told: str) -> None:
    code, said, _ = served.ask(**words)  # type: ignore[arg-type]
    assert code == 400
    assert told in json.loads(said)["error"]
    until(lambda: not list(served.scratch.iterdir()))


def test_what_takes_too_much_is_told_so_and_the_next_one_is_answered(served: Served) -> None:
    code, said, _ = served.ask("SELECT max(sin(a.range * b.range)) FROM range(1000000) a, range(1000000) b")
    assert (code, "longer than" in json.loads(said)["error"]) == (400, True)
    until(lambda: not list(served.scratch.iterdir()))
    assert served.ask("SELECT 1 AS one")[:2] == (200, b'{"one": 1}\n')


SPILLING = "SELECT * FROM range(200000000) a ORDER BY md5(a.range::VARCHAR)"
"""More than a memory of 0.25 GiB holds."""
LONG = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
"""One call of a function, which DuckDB does not interrupt."""


def children_of(process: subprocess.Popen[str]) -> list[str]:
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [child for thread in threads for child in thread.read_text().split()]


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask_and_leave(served: Served, sql: str = LONG) -> socket.socket:
    """Send a question that takes long, and return the connection once a process works on it."""
    host, port = served.root.removeprefix("http://").split(":")
    asking = socket.create_connection((host, int(port)))
    line = f"GET /{served.token}/query?{urlencode({'sql': sql})} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
    asking.sendall(line.encode())
    until(lambda: bool(children_of(served.process)))
    return asking


def test_a_question_ends_when_the_one_who_asked_goes_away_and_with_a_server_that_is_killed(pool: SmallPool) -> None:
    with serving(pool, "--seconds", "600") as patient:
        with ask_and_leave(patient):
            pass
        until(lambda: not children_of(patient.process))
        assert patient.ask("SELECT 1 AS one")[:2] == (200, b'{"one": 1}\n')
        with ask_and_leave(patient):
            [child] = children_of(patient.process)
            until(lambda: b"windrow.tasks.lifeline" in Path(f"/proc/{child}/cmdline").read_bytes())
            time.sleep(3)  # it may not have come to its first line yet
            patient.process.kill()
            until(lambda: not Path(f"/proc/{child}/cmdline").exists() or is_over(child))


def test_a_question_that_is_killed_leaves_none_of_what_it_had_put_on_disk(pool: SmallPool) -> None:
    with serving(pool, "--seconds", "600", "--memory", "0.25") as patient:
        with ask_and_leave(patient, SPILLING):
            until(lambda: any(patient.scratch.rglob("*.tmp")))
        until(lambda: not list(patient.scratch.iterdir()))


def is_over(process: str) -> bool:
    """Whether a process has ended, though nobody has asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_nobody_is_answered_without_the_token_or_under_another_name(served: Served) -> None:
    for token in ("", "x", served.token[:-1], "\u00fc"):
        assert served.ask("SELECT 1", token=token)[0] == 403
    assert served.get("/query?sql=SELECT+1")[0] == 403
    assert served.get(f"/{served.token}/query?sql=SELECT+1", Host="evil.example:80")[0] == 421
    code, _, headers = served.ask("SELECT 1")
    assert (code, headers["referrer-policy"]) == (200, "no-referrer") and "set-cookie" not in headers


def test_its_first_page_names_every_table(served: Served) -> None:
    code, said, headers = served.get(f"/{served.token}/")
    assert (code, headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert "**`pool`**" in said.decode() and "**`corrections`**" in said.decode()


def test_a_port_that_is_taken_and_a_store_without_a_run_get_one_line(pool: SmallPool, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for store, told in ((pool.store, f"--port {port}: cannot be had"), (tmp_path, "has no finished run")):
            ended = run_here("serve", "--port", port, "--store", str(store))
            assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
            assert told in ended.stderr
