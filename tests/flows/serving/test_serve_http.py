"""`windrow serve` in a process of its own: who is answered, what is answered, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pyarrow as pa
import pytest
from small_pool import SmallPool, curate_small, make_small_pool


@dataclass(frozen=True)
class Served:
    """A store that is served, at an address, with a token."""

    process: subprocess.Popen[str]
    root: str
    token: str

    def ask(
        self, sql: str | None = None, *, token: str | None = None, body: str | None = None, **more: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        words = {"token": self.token if token is None else token, **({"sql": sql} if sql is not None else {}), **more}
        return self.get(f"/query?{urlencode(words)}", body=body)

    def get(self, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        request = Request(self.root + path, body.encode() if body is not None else None, headers)
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except HTTPError as error:
            return error.code, error.read(), dict(error.headers)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    made = make_small_pool(tmp_path_factory.mktemp("small"))
    curate_small(made.config)
    return made


@pytest.fixture(scope="module")
def served(pool: SmallPool) -> Iterator[Served]:
    command = [sys.executable, "-m", "windrow", "serve", "--store", str(pool.store), "--seconds", "2", "--memory", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)\n", process.stdout.readline())
        assert found is not None
        yield Served(process, found[1], found[2])
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=10)
        assert (process.returncode, len(complained.splitlines())) == (130, 1), complained


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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"sql": "DROP TABLE pool"}, "only SELECT"),
        ({"sql": "SELECT * FROM read_text('/etc/hostname')"}, "reads files"),
        ({"sql": "SELECT"}, "Parser Error"),
        ({"sql": "--out x"}, ""),
        ({"sql": "SELECT '\0'"}, "NUL"),
        ({}, "wants SQL"),
        ({"sql": "SELECT 1", "format": "xml"}, "format: wants one of json, csv, arrow, parquet"),
        ({"sql": "SELECT 1", "run": "none"}, "has no run 'none'"),
        ({"body": "SELECT 1 -- " + "x" * 2**17}, "at most"),
        ({"sql": "SELECT max(sin(a.range * b.range)) FROM range(1000000) a, range(1000000) b"}, "longer than"),
    ],
)
def test_what_is_no_question_or_takes_too_much_is_told_so(served: Served, words: dict[str, str], told: str) -> None:
    code, said, _ = served.ask(**words)  # type: ignore[arg-type]
    assert code == 400
    assert told in json.loads(said)["error"]
    assert served.ask("SELECT 1 AS one")[:2] == (200, b'{"one": 1}\n'), "the next one is answered"


def test_nobody_is_answered_without_the_token_or_under_another_name(served: Served) -> None:
    for token in ("", "x", served.token[:-1], "\u00fc"):
        assert served.ask("SELECT 1", token=token)[0] == 401
    path = "/query?sql=SELECT+1"
    assert served.get(path)[0] == 401
    assert served.get(path, Authorization=f"Bearer {served.token}")[0] == 200
    assert served.get(f"{path}&token={served.token}", Host="evil.example:80")[0] == 421
    _, _, headers = served.ask("SELECT 1")
    cookie = headers["set-cookie"].partition(";")[0]
    assert served.get(path, Cookie=cookie)[0] == 200
    assert headers["referrer-policy"] == "no-referrer" and "HttpOnly" in headers["set-cookie"]
    assert "set-cookie" not in served.get(path, Cookie=cookie)[2]


def test_its_first_page_names_every_table(served: Served) -> None:
    code, said, headers = served.get(f"/?token={served.token}")
    assert (code, headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert "**`pool`**" in said.decode() and "**`corrections`**" in said.decode()


def test_a_port_that_is_taken_and_a_store_without_a_run_get_one_line(pool: SmallPool, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for store, told in ((pool.store, f"--port {port}: cannot be had"), (tmp_path, "has no finished run")):
            words = [sys.executable, "-m", "windrow", "serve", "--port", port, "--store", str(store)]
            ended = subprocess.run(words, capture_output=True, text=True, timeout=60, env=dict(os.environ))
            assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
            assert told in ended.stderr
