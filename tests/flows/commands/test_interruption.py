"""Ctrl-C ends a command with one line and exit code 130, whoever carries it; other exits keep their codes."""

import subprocess
import sys
import threading
from functools import partial

import pytest
import typer

from windrow.flows.commands import last_word
from windrow.flows.commands.cli import run_command


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own, where no other command was before."""
    for event in ("_told", "_only_answers"):
        monkeypatch.setattr(last_word, event, threading.Event())


def raises(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def command() -> None:
        raise error

    return app


def test_an_interruption_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(partial(raises(KeyboardInterrupt()), [])) == 130
    assert capsys.readouterr().err.count("interrupted; what was finished is kept") == 1


def test_another_exit_keeps_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(partial(raises(typer.Exit(3)), []))
    assert ended.value.code == 3
    assert "interrupted" not in capsys.readouterr().err


INTERRUPTED_IMPORT = """
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "windrow.flows.commands.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from windrow.__main__ import main
main()
"""


def test_an_interruption_while_the_program_is_imported_is_told_in_a_line_too() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")
