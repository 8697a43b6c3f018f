"""The command line over the flows: its commands, in the order of its help, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

import windrow
from windrow.flows.commands.last_word import end_in_time, exit_code, tell
from windrow.flows.commands.subjects import asking, correcting, exploring, for_trainers, keeping, refining, running
from windrow.flows.commands.subjects.starting import out
from windrow.tasks.ended_by_signal import signal_seen
from windrow.tasks.texts.terminal import TextConsole

COMMANDS = (
    running.init,
    running.run,
    running.demo,
    running.nightly,
    running.ingest,
    running.export,
    asking.query,
    asking.serve,
    asking.explain,
    exploring.explore,
    keeping.forget,
    asking.runs,
    asking.diff,
    asking.report,
    asking.levels,
    asking.worth,
    refining.tune,
    refining.annotate,
    for_trainers.batches,
    for_trainers.convert,
    for_trainers.card,
    refining.leaks,
    keeping.verify,
    keeping.du,
    keeping.gc,
    keeping.doctor,
)
app = typer.Typer(
    help="Turns a pool of raw images into curated, pseudo-labelled training sets.\n\n"
    "Start with `windrow run photos/`, or with a config, as `windrow init` writes one; ask `windrow query` about the "
    "result, and `windrow explain` why a sample was kept or dropped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
err = TextConsole(stderr=True, emoji=False)
INTERRUPTED = 130

app.add_typer(running.config, name="config")
app.add_typer(refining.audit, name="audit")
app.add_typer(correcting.corrections, name="corrections")
for command in COMMANDS:
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"windrow {windrow.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


def run_command(command: Callable[[], object]) -> int:
    """Run a command and return its exit code: 2 for a user's mistake and 1 for a failure, both told in a line."""
    try:
        command()
    except BaseException as error:
        if (number := _signal_behind(error)) is not None:
            tell(number)
            return exit_code(number)
        if not isinstance(error, Exception):
            raise
        if os.environ.get("WINDROW_DEBUG"):
            raise
        from windrow.flows.commands.mistakes import explain_error

        code, text = explain_error(error)
        err.print("[red]error:[/]", end=" ")
        err.print(text, markup=False, highlight=False, soft_wrap=True)
        return code
    finally:
        # Threads that wait for a worker would keep an interrupted process alive.
        executors = sys.modules.get("windrow.tasks.executors")
        if executors is not None:
            executors.close_executors()
    return 0


def _signal_behind(error: BaseException) -> int | None:
    """The signal that ended a command, whatever error that led to; Typer makes an exit with 130 of an interruption."""
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and error.code == INTERRUPTED):
        return signal_seen() or signal.SIGINT
    return signal_seen()


def main() -> None:
    """Run the command line."""
    # Before NumPy is loaded: the threads of OpenBLAS sleep when they wait. By default they spin for tens of
    # milliseconds after every product of matrices, most of the processor time of small ones.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    end_in_time()
    sys.exit(run_command(partial(app, prog_name="windrow")))


if __name__ == "__main__":
    main()
