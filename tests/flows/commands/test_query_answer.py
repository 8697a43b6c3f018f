"""What `windrow query` and its neighbours print can be read by people, by scripts, and by the next command."""

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from made_once import made_once
from rich.console import Console
from verified_store import make_store

from windrow.flows.commands.cli import app, run_command
from windrow.flows.nightly import schedule_of
from windrow.flows.summary import print_run
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.run_records import latest_run

SQL = "SELECT sample_id, key, source_uri, 2026 AS year, 1234567 AS n, 'nan'::DOUBLE AS x FROM pool ORDER BY 1"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "verified", make_store) / "store"


def windrow(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = run_command(partial(app, list(words)))
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_lines_of_csv_end_as_a_shell_wants_them(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = windrow(capsys, "query", SQL, "--format", "csv", "--store", str(store))
    assert code == 0
    assert "\r" not in said
    captured = said.splitlines()[1].split(",")[0]
    assert windrow(capsys, "explain", captured, "--store", str(store))[0] == 0


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_ids_and_years_are_printed_as_they_are(store: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    _, said, _ = windrow(capsys, "query", SQL, "--format", form, "--store", str(store))
    assert "2026" in said and "1234567" in said
    assert "2,026" not in said and "1,234,567" not in said


def test_rows_go_into_a_new_file_of_each_form(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [row[0] for row in open_catalog(store).sql(SQL).fetchall()]
    for name in ("a.csv", "a.json", "a.jsonl", "a.parquet"):
        code, _, err = windrow(capsys, "query", SQL, "-o", str(tmp_path / name), "--store", str(store))
        assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "a.json").read_text().splitlines()]
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    table = pq.read_table(tmp_path / "a.parquet")
    assert [row["sample_id"] for row in rows] == [row["sample_id"] for row in lines] == wanted
    assert table["sample_id"].to_pylist() == wanted
    assert table["n"][0].as_py() == lines[0]["n"] == int(rows[0]["n"]) == 1234567
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.json", "a.jsonl", "a.parquet"]


DIGESTS = "SELECT md5(range::VARCHAR) AS digest FROM range(100000)"


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.arrow", "a.parquet"])
def test_an_answer_is_written_up_to_its_size_and_leaves_nothing_where_it_is_larger(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    whole, other = tmp_path / name, tmp_path / f"other-{name}"
    assert windrow(capsys, "query", DIGESTS, "-o", str(whole), "--store", str(store))[0] == 0
    words = ("query", DIGESTS, "-o", str(other), "--store", str(store), "--answer-size")
    less, enough = (f"{factor * whole.stat().st_size / 2**30:.6g}" for factor in (0.999, 1.001))
    told = f"error: the answer is larger than {less} GiB; `--answer-size` allows more\n"
    assert windrow(capsys, *words, less) == (2, "", told)
    assert list(tmp_path.iterdir()) == [whole]
    assert windrow(capsys, *words, enough)[0] == 0
    assert other.read_bytes() == whole.read_bytes()


REFUSED = {
    "there is such a file already": ("-o", "{there}"),
    "wants a name that ends with .csv, .json, .jsonl, .arrow, .parquet": ("-o", "{new}/a.xlsx"),
    "lies in the store": ("-o", "{store}/curated/a.csv"),
    "goes into a file": ("--format", "parquet"),
    "goes with a file": ("--answer-size", "1"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_file_that_should_not_be_written_is_not(
    store: Path, tmp_path: Path, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    words = [word.format(there=there, new=tmp_path, store=store) for word in REFUSED[message]]
    code, _, err = windrow(capsys, "query", SQL, *words, "--store", str(store))
    assert code == 2
    assert message in err
    assert there.read_text() == "mine"


def test_a_query_that_fails_leaves_no_file(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT error('no') FROM pool"
    assert windrow(capsys, "query", sql, "-o", str(tmp_path / "a.csv"), "--store", str(store))[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_pool_and_curated_say_where_a_sample_was_first_seen(store: Path) -> None:
    sql = """
    SELECT count(*), count(*) FILTER (o.key = p.key AND o.shard = p.shard AND o.source_uri = p.source_uri)
    FROM {} p JOIN (
        SELECT * FROM occurrences
        QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY source_uri, shard, position) = 1
    ) o USING (sample_id)
    """
    for view in ("pool", "curated"):
        ((n, n_same),) = open_catalog(store).sql(sql.format(view)).fetchall()
        assert n == n_same > 0


def test_an_ambiguous_prefix_lists_what_fits(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [row[0] for row in open_catalog(store).sql("SELECT sample_id FROM samples ORDER BY 1").fetchall()]
    prefix = next(name[0] for name in ids if sum(other.startswith(name[0]) for other in ids) > 1)
    fitting = [name for name in ids if name.startswith(prefix)]
    code, _, err = windrow(capsys, "explain", prefix, "--store", str(store))
    assert code == 2
    assert f"{len(fitting)} samples fit '{prefix}'; which one?" in err
    for name in fitting:
        (line,) = [line for line in err.splitlines() if name in line]
        assert ".png" in line or "loose" in line or "some.tar" in line


def test_the_command_to_go_on_with_can_be_pasted(store: Path, tmp_path: Path) -> None:
    odd = tmp_path / "it's a $HOME; store"
    odd.symlink_to(store)
    run = latest_run(odd)
    assert run is not None
    console = Console(width=200, record=True, file=io.StringIO())
    print_run(console, run)
    (line,) = [line for line in console.export_text().splitlines() if line.startswith("next:")]
    words = shlex.split(line.removeprefix("next:"))
    assert words[:4] == ["windrow", "query", "--store", str(odd)]
    assert len(words) == 5


@pytest.mark.parametrize("cron", ["", " ", "tonight", "61 * * * *", "* * * *"])
def test_a_schedule_that_is_none_is_refused_and_nothing_runs(
    tmp_path: Path, cron: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "windrow.yaml"
    config.write_text(yaml.safe_dump({"name": "a", "sources": [str(tmp_path)], "store": str(tmp_path / "store")}))
    code, out, err = windrow(capsys, "nightly", str(config), "--cron", cron)
    assert (code, out) == (2, "")
    assert f"--cron: {cron!r} is no schedule" in err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "europe/berlin", "America", "+02:00", "../etc/passwd"])
def test_a_time_zone_that_is_none_is_told_in_our_words(zone: str) -> None:
    with pytest.raises(ValueError, match="--timezone: there is no time zone") as told:
        schedule_of("0 2 * * *", zone)
    assert "http" not in str(told.value) and "\n" not in str(told.value)
    assert schedule_of("0 2 * * *", "Europe/Berlin").timezone == "Europe/Berlin"


FLOW = """
import threading
from windrow.flows.nightly import end_with_server
end_with_server()
print('up', flush=True)
threading.Event().wait()
"""
SERVER = f"""
import os, subprocess, sys
os.environ["WINDROW_SERVED_BY"] = str(os.getpid())
subprocess.Popen([sys.executable, "-c", {FLOW!r}])
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="of signals")
def test_a_flow_that_a_schedule_started_ends_with_it() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "up\n"
    server.send_signal(signal.SIGKILL)
    server.communicate(timeout=20)  # the flow's process holds the other end of the pipe until it has ended
