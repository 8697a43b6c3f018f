"""Whoever reads a damaged file names it: every kind of damage to every kind of file, through the commands."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from windrow.flows.commands.cli import app, run_command
from windrow.schemas import TABLES

SQL = "SELECT count(*), sum(length(t::VARCHAR)) FROM {} t"


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes(len(data) - middle - 8) + data[-8:]


def flipped(data: bytes) -> bytes:
    return data[:20] + bytes(255 - byte for byte in data[20:40]) + data[40:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": cut,
    "zeroed": zeroed,
    "flipped": flipped,
    "no start": lambda data: data[8:],
    "text": lambda _: b"404 Not Found\n",
}


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        code = run_command(partial(app, words))
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return "" if code == 0 else told.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_query_names_the_damaged_file_of_any_table(
    store: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    n_told = 0
    for table in TABLES:
        for path in sorted(store.glob(f"outputs/*/*/*/{table.name}.parquet"))[:1]:
            if not pq.read_metadata(path).num_rows:
                continue  # there is nothing to be damaged
            data = path.read_bytes()
            path.chmod(0o644)
            path.write_bytes(DAMAGES[damage](data))
            told = said(["query", SQL.format(table.name), "--store", str(store)], capsys)
            path.write_bytes(data)
            if table.name == "labels" and not told:
                continue  # an earlier stage's, which is not the run's table
            assert str(path) in told and "Traceback" not in told, f"{table.name}: {told}"
            n_told += 1
    assert n_told > 10


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_what_reads_a_manifest_or_a_record_names_it(
    store: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for pattern in ("outputs/rank/*/*/manifest.json", "runs/*/stages/rank.json", "format.json"):
        (path,) = store.glob(pattern)
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(DAMAGES[damage](data))
        told = said(["query", "SELECT 1", "--store", str(store)], capsys)
        assert str(path) in told and "Traceback" not in told, told
        path.write_bytes(data)
