"""The commands that tell what a store holds, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from windrow.flows.commands.subjects.parameters import DEFAULT_STORE, RunId, Store
from windrow.flows.commands.subjects.starting import out


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the tables, `pool` (every sample) or `curated`.")],
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
    form: Annotated[
        Literal["table", "csv", "json", "arrow", "parquet"] | None,
        typer.Option("--format", help="How to give the rows: a table by default, in a file what its name ends with."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="New file for the rows.")] = None,
    files: Annotated[bool, typer.Option("--allow-files", help="Let the SQL read other files too.")] = False,
    memory: Annotated[float, typer.Option(min=0.1, help="GiB of memory that the SQL may take.")] = 4.0,
    threads: Annotated[int, typer.Option(min=0, help="Threads that the SQL may take; 0 for one a core.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the SQL may take.")] = 600.0,
    answer_size: Annotated[
        float | None, typer.Option(min=0.001, help="GiB that the file of --out may have; by default as many as come.")
    ] = None,
) -> None:
    """Ask DuckDB about a store, as in `windrow query "SELECT label, count(*) FROM curated GROUP BY label"`."""
    from windrow.flows.commands.query_answer import answer
    from windrow.tasks.storage.catalog.connections import SqlLimits

    if answer_size is not None and to is None:
        raise typer.BadParameter("goes with a file, as in `--out rows.csv`", param_hint="--answer-size")
    limits = SqlLimits(memory, threads, seconds, answer=answer_size)
    answer(out, store, run_id, sql, form, to, limits, files)


def serve(
    store: Store = DEFAULT_STORE,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 for one that is free.")] = 0,
    mcp: Annotated[
        bool, typer.Option("--mcp", help="Speak MCP on input and output instead, for an agent (the extra `mcp`).")
    ] = False,
    memory: Annotated[float, typer.Option(min=0.1, help="GiB of memory that a question may take.")] = 4.0,
    threads: Annotated[int, typer.Option(min=0, help="Threads that a question may take; 0 for one a core.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long a question may take.")] = 60.0,
    answer_size: Annotated[float, typer.Option(min=0.001, help="GiB that an answer may have.")] = 1.0,
) -> None:
    """Answer questions in SQL over HTTP on this machine, or as the tools of an agent; nothing is ever changed.

    It prints an address that holds a token; ask as in `curl "http://127.0.0.1:8000/TOKEN/query?sql=FROM+curated"`.
    """
    from windrow.flows.commands.serve import serve_agent, serve_http
    from windrow.tasks.storage.catalog.connections import SqlLimits

    limits = SqlLimits(memory, threads, seconds, answer=answer_size)
    if mcp:
        serve_agent(store, limits)
    else:
        serve_http(out, store, port, limits)


def explain(
    sample_id: Annotated[
        str | None, typer.Argument(help="A sample's id, or the first digits of it; or the key of an occurrence.")
    ] = None,
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
    step: Annotated[
        int | None, typer.Option(help="Tell instead what a training job saw at this step, from its --log.", min=0)
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Folder of a `windrow.TrainingLog`.")] = None,
) -> None:
    """Tell a sample's story: where it was seen, its clusters and labels, and why it was kept or dropped."""
    if (step is None) != (log is None) or (step is None) == (sample_id is None):
        raise ValueError("wants a sample's id, or --step and --log")
    if step is not None and log is not None:
        from windrow.flows.commands.training_step import print_step

        print_step(out, store, log, step)
        return
    from windrow.flows.commands.answers import print_forgotten, print_story
    from windrow.tasks.storage.catalog.views import connect_run

    if print_forgotten(out, store, sample_id or ""):
        return
    print_story(out, connect_run(store, run_id), sample_id or "")


def diff(
    name: Annotated[
        str | None, typer.Argument(help="Name of the curated set; by default that of the last run.")
    ] = None,
    old: Annotated[
        str | None, typer.Argument(help="A version, as in v0001; by default the one before the last.")
    ] = None,
    new: Annotated[str | None, typer.Argument(help="Another version; by default the last.")] = None,
    store: Store = DEFAULT_STORE,
    page: Annotated[Path | None, typer.Option("--html", help="Also write a page with pictures to this file.")] = None,
) -> None:
    """Say what changed between two versions: samples added, removed, relabelled; in all, and by class."""
    from windrow.flows.commands.answers import print_diff

    print_diff(out, store, name, old, new, page)


def report(
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; in the run's folder by default.")
    ] = None,
) -> None:
    """Draw the HTML report of a run (again) and print its path."""
    from windrow.flows.commands.answers import draw_report

    out.print(str(draw_report(store, run_id, to)), markup=False, soft_wrap=True)


def levels(
    n: Annotated[
        int | None, typer.Argument(help="Size of a pool to propose levels for; without it, those of the last run.")
    ] = None,
    target: Annotated[int | None, typer.Option(help="How many samples will be selected of that pool.")] = None,
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
) -> None:
    """Show a run's levels of clusters, their sizes and inertia, or propose levels for a pool of N samples."""
    from windrow.flows.commands.levels import print_levels, print_proposal

    if n is not None:
        print_proposal(out, n, target)
        return
    if target is not None:
        raise typer.BadParameter("goes with a number of samples, as in `windrow levels 1000000 --target 50000`")
    from windrow.tasks.storage.catalog.views import connect_run
    from windrow.tasks.storage.store.run_rest import whole_run

    print_levels(out, connect_run(store, whole_run(store, run_id).run_id))


def runs(
    store: Store = DEFAULT_STORE,
    name: Annotated[str | None, typer.Option(help="Only those of this curated set.")] = None,
    most: Annotated[int, typer.Option("--n", "-n", min=1, help="How many to list.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each run, a line each.")] = False,
) -> None:
    """List the last runs: when, how they ended, the version that each published, and what that is worth.

    A version in brackets was there already. `stayed`: samples that a version shares with the one before it, of those in
    either. A version after `worth` is the one that was judged, where a night kept its judgement.
    """
    from windrow.flows.commands.stores.runs_table import print_runs

    print_runs(out, store, name, most, as_json)


def worth(
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a run's curated set is worth against random samples, deduplicated ones and the last version.

    It is judged by held-out labelled samples, with 95 % intervals: see `worth` in the config.
    """
    from windrow.flows.commands.worth_answer import print_worth
    from windrow.tasks.storage.catalog.views import connect_run
    from windrow.tasks.storage.store.run_rest import whole_run

    print_worth(out, connect_run(store, whole_run(store, run_id).run_id), as_json)
