"""A store says its format: what this code cannot read, every command tells in a sentence, and touches nothing."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import yaml
from golden_store import DATA, golden_path, unpack

from windrow.flows.commands.cli import app, run_command
from windrow.tasks.config import parse_config
from windrow.tasks.pipeline import curate
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.seals import sealed_json
from windrow.tasks.storage.store.store_format import FORMAT, FORMAT_FILE
from windrow.tasks.storage.verify.verification import verify

COMMANDS = {
    "query": ("query", "SELECT 1"),
    "explain": ("explain", "abc"),
    "forget": ("forget", "0" * 32, "--dry-run"),
    "diff": ("diff", "small"),
    "report": ("report",),
    "levels": ("levels",),
    "worth": ("worth",),
    "audit sample": ("audit", "sample", "{new}/a.csv"),
    "audit read": ("audit", "read", "{new}/a.csv"),
    "audit curve": ("audit", "curve", "{new}/a.csv"),
    "annotate": ("annotate", "{new}/b.csv"),
    "leaks": ("leaks", "pool", "pool"),
    "verify": ("verify",),
}
OF_CONFIG = {
    "run": ("run", "{config}"),
    "nightly": ("nightly", "{config}"),
    "ingest": ("ingest", "{config}"),
    "export": ("export", "{config}"),
    "tune": ("tune", "{config}"),
}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that runs something sets the log of its process."""
    log = logging.getLogger("windrow")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


def windrow(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    try:
        code = run_command(partial(app, words))
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out + said.err


def of_format(store: Path, number: int | None, made_by: str = "9.9.9") -> Path:
    """Make a store one of another format, by its mark; None takes the mark away."""
    (store / FORMAT_FILE).unlink()
    if number is not None:
        (store / FORMAT_FILE).write_text(sealed_json({"format": number, "windrow": made_by}))
    return store


def said_of(number: int | None) -> str:
    if number is None:
        return "a windrow from before stores had formats made it"
    return "pip install 'windrow>=9.9.9'" if number > FORMAT else "pip install 'windrow==9.9.9' opens it"


@pytest.mark.parametrize("number", [None, 0, FORMAT + 1, 99])
def test_every_command_says_what_to_do_about_a_store_of_another_format_and_touches_nothing(
    store: Path,
    tmp_path: Path,
    number: int | None,
    capsys: pytest.CaptureFixture[str],
    digests: Callable[[Path], Mapping[str, str]],
) -> None:
    of_format(store, number)
    config = tmp_path / "windrow.yaml"
    config.write_text(yaml.safe_dump({"name": "small", "sources": [str(tmp_path)], "store": str(store)}))
    before = digests(store)
    for name, words in {**COMMANDS, **OF_CONFIG}.items():
        spelt = [word.format(new=tmp_path, config=config) for word in words]
        code, said = windrow([*spelt, *(("--store", str(store)) if name in COMMANDS else ())], capsys)
        assert (code, said_of(number) in said) == (2, True), f"{name}: {said}"
        assert len(said.strip().splitlines()) == 1, said
    assert digests(store) == before


@pytest.mark.parametrize("number", [None, FORMAT + 1])
def test_so_does_the_library(store: Path, number: int | None) -> None:
    of_format(store, number)
    for ask in (
        lambda: open_catalog(store),
        lambda: verify(store),
        lambda: curate(parse_config({"name": "small", "sources": [str(store.parent)], "store": str(store)})),
    ):
        with pytest.raises(ValueError, match=r"pip install|from before stores had formats"):
            ask()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "one", "windrow": "1"}', "\x00"])
def test_a_mark_that_is_damaged_is_told(store: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (store / FORMAT_FILE).unlink()
    (store / FORMAT_FILE).write_text(text)
    code, said = windrow(["query", "SELECT 1", "--store", str(store)], capsys)
    assert code == 2
    assert f"{store / FORMAT_FILE} cannot be read" in said


def test_a_folder_that_is_no_store_has_no_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("outputs", "models", "runs/today", "curated"):
        (tmp_path / folder).mkdir(parents=True)
    assert "has no finished run" in windrow(["query", "SELECT 1", "--store", str(tmp_path)], capsys)[1]


def test_the_store_of_today_is_kept(store: Path) -> None:
    assert golden_path(FORMAT).exists(), "a new format: run `python tests/golden_store.py` once, and keep what it made"
    assert json.loads((store / FORMAT_FILE).read_text())["format"] == FORMAT


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_the_store_of_each_format_opens_or_says_so(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store = unpack(number, tmp_path)
    wanted = "SELECT sample_id FROM curated ORDER BY rank LIMIT 1"
    code, said = windrow(["query", wanted, "--format", "csv", "--store", str(store)], capsys)
    if number < FORMAT:
        assert code == 2
        assert "opens it, or name a new folder" in said
        return
    assert code == 0, said
    sample_id = said.splitlines()[1]
    for words in (["explain", sample_id], ["diff", "small"], ["report"], ["levels"], ["worth"], ["verify"]):
        code, said = windrow([*words, "--store", str(store)], capsys)
        assert code == 0, f"{words}: {said}"
    copy = shutil.copytree(store, tmp_path / "copy")
    assert windrow(["forget", sample_id, "--yes", "--store", str(copy)], capsys)[0] == 0
    assert sorted(path.name for path in DATA.glob("store-format-*")) == [
        golden_path(each).name for each in range(1, FORMAT + 1)
    ]
