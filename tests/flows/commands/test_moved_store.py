"""A store works wherever it is put and however it is named.

Every command is tried under a name with all letters that a shell, SQL or a glob takes for something else, through a
link, and after a copy that keeps no time of change; after the other moves and copies, what reads files and what lists
them.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import chdir
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from small_pool import SmallPool, curate_small, ids, make_small_pool

from windrow.flows.commands.cli import app, run_command
from windrow.tasks.storage.published.versions import list_versions


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    """A pool, and a store of two versions of it."""
    made = make_small_pool(tmp_path_factory.mktemp("home"), 7, export={"formats": ["webdataset", "parquet"]})
    curate_small(made.config)
    smaller = replace(made.config, selection=replace(made.config.selection, target_size=5))
    for _ in range(2):  # the first of them is judged against another version before it than the second
        curate_small(smaller)
    return replace(made, config=smaller)


def moved(store: Path, to: Path) -> Path:
    shutil.copytree(store, to.with_name("first"))
    return to.with_name("first").rename(to)


def copied(*command: str) -> Callable[[Path, Path], Path]:
    def copy(store: Path, to: Path) -> Path:
        if shutil.which(command[0]) is None:
            pytest.skip(f"there is no {command[0]} here")
        subprocess.run([*command, f"{store}/.", str(to)], check=True)
        return to

    return copy


def linked(store: Path, to: Path) -> Path:
    moved(store, to.with_name("real"))
    to.symlink_to(to.with_name("real"))
    return to


def named(name: str) -> Callable[[Path, Path], Path]:
    return lambda store, to: moved(store, to.with_name(name))


MOVES = {
    "mv": moved,
    "cp -r": copied("cp", "-r"),
    "cp -a": copied("cp", "-a"),
    "rsync": copied("rsync", "-r"),
    "rsync -a": copied("rsync", "-a"),
    "a link": linked,
    "a name": named('it\'s "a" store [1]*?; $HOME-été-日本'),
}
COMMANDS = {
    "query": ("query", "SELECT count(*) AS n FROM pool JOIN exports ON true", "--format", "csv"),
    "explain": ("explain", "{wanted}"),
    "diff": ("diff", "small"),
    "report": ("report",),
    "levels": ("levels",),
    "worth": ("worth",),
    "verify": ("verify",),
    "audit": ("audit", "sample", "{new}/audit.csv", "--n", "2"),
    "annotate": ("annotate", "{new}/annotate.csv", "--n", "2"),
    "leaks": ("leaks", "pool", "@{new}/ids"),
    "forget, dry": ("forget", "{wanted}", "--dry-run"),
}
OF_FILES = ("query", "verify")


def windrow(store: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command over a store in this process."""
    try:
        code = run_command(partial(app, [*words, "--store", store]))
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out + said.err


def check_commands(
    pool: SmallPool, store: str, folder: Path, capsys: pytest.CaptureFixture[str], names: Iterable[str] = COMMANDS
) -> None:
    new = folder / "new"
    new.mkdir()
    (wanted,) = ids(pool.wanted)
    (new / "ids").write_text(wanted)
    for name in names:
        code, said = windrow(store, tuple(word.format(wanted=wanted, new=new) for word in COMMANDS[name]), capsys)
        assert code == (1 if name == "leaks" else 0), f"{name}: {said}"


@pytest.mark.parametrize("move", MOVES)
def test_commands_work_in_a_store_that_was_moved(
    pool: SmallPool, tmp_path: Path, move: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = MOVES[move](pool.store, tmp_path / "store")
    names = COMMANDS if move in ("cp -r", "a link", "a name") else OF_FILES
    check_commands(pool, str(store), tmp_path, capsys, names)


@pytest.mark.parametrize("name", ["store", "./store/", "../{parent}/store//"])
def test_every_spelling_of_the_path_is_the_store(
    pool: SmallPool, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(pool.store, tmp_path / "store")
    with chdir(tmp_path):
        names = COMMANDS if name == "../{parent}/store//" else OF_FILES
        check_commands(pool, name.format(parent=tmp_path.name), tmp_path, capsys, names)


@pytest.mark.parametrize("move", ["cp -r", "a name"])
def test_a_run_in_a_store_that_was_moved_finds_all_done_and_forgets_what_it_should(
    pool: SmallPool, tmp_path: Path, move: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = MOVES[move](pool.store, tmp_path / "store")
    run, _ = curate_small(replace(pool.config, store=str(store)))
    assert [record.n_found for record in run.stages()] == [len(record.outputs) for record in run.stages()]
    assert len(list_versions(store)) == len(list_versions(pool.store)) == 2
    (wanted,) = ids(pool.wanted)
    code, said = windrow(str(store), ("forget", wanted, "--yes", "--no-near-duplicates"), capsys)
    assert code == 0, said
    assert "forgotten" in windrow(str(store), ("explain", wanted), capsys)[1]
    assert windrow(str(pool.store), ("explain", wanted), capsys)[0] == 0  # the other store has it still
