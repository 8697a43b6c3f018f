"""The commands that keep a store: what is taken down, what is damaged, what is wrong with the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from windrow.flows.commands.subjects.parameters import DEFAULT_STORE, AnyStore, Store
from windrow.flows.commands.subjects.starting import out, prepare
from windrow.tasks.texts.terminal import escape


def forget(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="A sample's id, a source as `windrow config` prints it (or `source:<uri>`), or `@FILE` of ids."
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates/--no-near-duplicates", help="Forget near-duplicates too.")
    ] = True,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the list and in the take-down's manifest.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove samples and their duplicates from the store, from every version, and from all that will come.

    Every output that holds them is deleted or written without them, versions that hold them are withdrawn, and
    `takedowns/` says who had what. The last run can still be asked, without them, until the next run, which publishes a
    version without them. The files of your sources stay as they are. Without a sample, finishes a take-down that was
    cut short.
    """
    from windrow.flows.commands.stores.forget import forget as flow

    confirmed = None if dry_run else (lambda: yes or typer.confirm("Go on?"))
    flow(out, store, targets or [], near_duplicates, reason, confirmed)


def verify(
    path: Annotated[
        Path | None,
        typer.Argument(help="A store, or a version's folder as in `curated/photos/v0001`; by default the store."),
    ] = None,
    store: AnyStore = DEFAULT_STORE,
    quick: Annotated[bool, typer.Option("--quick", help="Look at counts, keys and sizes only; hash no file.")] = False,
) -> None:
    """Read a store or a version again and say what is damaged: bytes, counts, keys, and references between tables."""
    from windrow.flows.commands.stores.verify import verify_and_print

    if not verify_and_print(out, path or store, quick):
        raise typer.Exit(1)


def du(store: Store = DEFAULT_STORE) -> None:
    """Say what a store spends on what, in bytes on disk: versions, what each stage made, runs.

    A file that several places share is counted once, by the version that has it. `windrow gc` says what can go.
    """
    from windrow.flows.commands.stores.du import print_usage

    print_usage(out, store)


def gc(
    store: Store = DEFAULT_STORE,
    n_runs: Annotated[
        int, typer.Option("--keep", min=1, help="How many finished runs of each curated set keep what they need.")
    ] = 14,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete it; without this, only say what would go.")] = False,
) -> None:
    """Say what a store spends its bytes on, and delete what no kept run needs. Versions stay.

    Runs that lose outputs are withdrawn: nothing can be asked of them any more.
    """
    from windrow.flows.commands.stores.gc import print_gc

    print_gc(out, store, n_runs, yes)


def doctor(store: AnyStore = DEFAULT_STORE) -> None:
    """Check the installation, the store, the GPU and Prefect's API, and say what to do about what is wrong."""
    prepare(verbose=False)
    from windrow.flows.commands.stores.doctor import examine

    table = Table(show_header=False, box=None)
    findings = examine(store)
    for finding in findings:
        mark = {"good": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}[finding.state]
        table.add_row(mark, escape(finding.subject), escape(finding.text))
    out.print(table)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)
