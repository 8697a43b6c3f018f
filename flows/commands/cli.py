"""The command line over the flows."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

import windrow
from windrow.flows.commands.last_word import end_in_time, exit_code, tell
from windrow.tasks.ended_by_signal import signal_seen
from windrow.tasks.texts.terminal import TextConsole, escape, visible

app = typer.Typer(
    help="Turns a pool of raw images into curated, pseudo-labelled training sets.\n\n"
    "Start with `windrow run windrow.yaml`; ask `windrow query` about the result, and `windrow explain` why a sample "
    "was kept or dropped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = TextConsole(emoji=False)
err = TextConsole(stderr=True, emoji=False)

ConfigFile = Annotated[Path, typer.Argument(help="YAML file that says what to curate, and how.")]


def _of_our_format(store: Path) -> Path:
    """Look at the format of a store before anything else is done."""
    from windrow.tasks.storage.store.store_format import check_format

    check_format(store)
    return store


Store = Annotated[Path, typer.Option(envvar="WINDROW_STORE", help="Folder of the store.", callback=_of_our_format)]
AnyStore = Annotated[Path, typer.Option(envvar="WINDROW_STORE", help="Folder of the store.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="FIELD=VALUE", help="Override a field of the config, as in `selection.target_size=500`."
    ),
]
RunnerChoice = Annotated[
    Literal["auto", "plain", "prefect"],
    typer.Option(
        "--runner",
        help="Who carries the run: Prefect (the server at PREFECT_API_URL, or a temporary one), or this process alone "
        "(plain). auto takes Prefect where it can be had.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log too.")]
DEFAULT_CONFIG = Path("windrow.yaml")
INTERRUPTED = 130
UTC = "UTC"
DEFAULT_STORE = Path("data/store")


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


class PlainFormatter(logging.Formatter):
    """Lines of text, in which what comes from data moves no cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return visible(super().format(record), lines=True)


def prepare(verbose: bool) -> None:
    """Set what Prefect reads when it is imported, and send windrow's own log to the terminal."""
    from windrow.flows.orchestrator import prepare_prefect

    prepare_prefect(verbose)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PlainFormatter("%(message)s"))
    log = logging.getLogger("windrow")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def _config(path: Path, overrides: list[str] | None, verbose: bool) -> Any:
    prepare(verbose)
    from windrow.tasks.config import load_config
    from windrow.tasks.pipeline import check_places
    from windrow.tasks.selection.pool_ranking import check_sql

    settings = load_config(path, overrides or [])
    _of_our_format(Path(settings.store))
    check_sql(settings.selection, bool(settings.scores))  # the flow does too, but a command's takes seconds to start
    check_places(settings)
    return settings


class ConfigCommands(typer.core.TyperGroup):
    """`windrow config FILE` is `windrow config show FILE`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the command there that was left out."""
        named = bool(args) and args[0] in (*self.commands, "-h", "--help")
        return super().parse_args(ctx, args if named else ["show", *args])


config = typer.Typer(cls=ConfigCommands, help="What is in force? Print every setting, or the JSON Schema of a config.")
app.add_typer(config, name="config")


@config.command("show")
def config_show(config: ConfigFile = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Print the config in force as YAML: each value, where it comes from (default, file, --set) and what it means."""
    from windrow.flows.commands.config_in_force import config_in_force

    typer.echo(config_in_force(config, overrides or []), nl=False)


@config.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of a config, for editors that check one as it is written."""
    from windrow.tasks.config import config_schema as schema

    typer.echo(json.dumps(schema(), indent=2))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder with images, tars, Parquet files or lists.")] = Path(),
) -> None:
    """Write a commented `windrow.yaml` for what lies in a folder."""
    from windrow.flows.commands.first_config import write_first_config

    path, found = write_first_config(folder)
    for line in (*found, f"wrote {path}; go on with: windrow run {quote(str(path))}"):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    config: ConfigFile = DEFAULT_CONFIG,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Run the whole pipeline once: ingest, embed, cluster, label, rank, judge, export, report.

    What an earlier run finished is found and not done again, so the same command goes on after an interruption.
    Two at once over one store share the work: neither waits, each finds what the other has finished.
    """
    settings = _config(config, overrides, verbose)
    from windrow.flows.orchestrator import carry
    from windrow.flows.summary import print_run
    from windrow.tasks.pipeline import curate

    print_run(out, carry("curate", settings, runner, curate).run)


@app.command()
def demo(
    data: Annotated[Path, typer.Argument(help="Folder for the pool and the store.")] = Path("data/demo"),
    runner: RunnerChoice = "auto",
) -> None:
    """Run everything on a small pool that needs no download, and say how well it did against the truth."""
    prepare(verbose=False)
    from windrow.flows.demo.demo import demo as run_demo

    run_demo(out, data, runner)


@app.command()
def nightly(
    config: ConfigFile = DEFAULT_CONFIG,
    cron: Annotated[
        str | None,
        typer.Option(help="Serve the flow and run it on this schedule, as in `0 2 * * *`; without it, run once."),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of the schedule.")] = UTC,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Run the nightly flow: curate what is new and publish a version when it differs from the last one."""
    settings = _config(config, overrides, verbose or cron is not None)
    if cron is None and timezone != UTC:
        raise typer.BadParameter("goes with a schedule, as in `--cron '0 2 * * *'`", param_hint="--timezone")
    if cron is not None:
        from windrow.flows.nightly import serve

        serve(settings, cron, timezone)
        return
    from windrow.flows.orchestrator import carry
    from windrow.tasks.pipeline import curate_tonight

    version = carry("nightly", settings, runner, curate_tonight).version
    out.print(f"{settings.name} {version.version if version else 'has no version'}")


@app.command()
def ingest(
    config: ConfigFile = DEFAULT_CONFIG,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Only read the sources: find, verify and record every sample. Nothing is copied."""
    _run_until("ingest", _config(config, overrides, verbose), runner)


@app.command()
def export(
    config: ConfigFile = DEFAULT_CONFIG,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Export the curated set as a new version, running what it needs and has not been done."""
    _run_until("export", _config(config, overrides, verbose), runner)


def _run_until(step: str, settings: Any, runner: Any) -> None:
    from windrow.flows.orchestrator import carry
    from windrow.tasks.pipeline import curate

    run = carry(step, settings, runner, partial(curate, until=step)).run
    out.print(f"run {run.run_id}, without the stages after {run.stages()[-1].stage}")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the tables, `pool` (every sample) or `curated`.")],
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"] | None,
        typer.Option("--format", help="How to give the rows: a table by default, in a file what its name ends with."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="New file for the rows.")] = None,
    files: Annotated[bool, typer.Option("--allow-files", help="Let the SQL read other files too.")] = False,
    memory: Annotated[float, typer.Option(min=0.1, help="GiB of memory that the SQL may take.")] = 4.0,
    threads: Annotated[int, typer.Option(min=0, help="Threads that the SQL may take; 0 for one a core.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the SQL may take.")] = 600.0,
) -> None:
    """Ask DuckDB about a store, as in `windrow query "SELECT label, count(*) FROM curated GROUP BY label"`."""
    from windrow.flows.commands.query_answer import answer
    from windrow.tasks.storage.catalog.connections import SqlLimits

    answer(out, store, run_id, sql, form, to, SqlLimits(memory, threads, seconds), files)


@app.command()
def explain(
    sample_id: Annotated[
        str | None, typer.Argument(help="A sample's id, or the first digits of it; or the key of an occurrence.")
    ] = None,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
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
    from windrow.flows.commands.answers import print_story
    from windrow.flows.commands.forget import print_forgotten
    from windrow.tasks.storage.catalog.views import connect_run

    if print_forgotten(out, store, sample_id or ""):
        return
    print_story(out, connect_run(store, run_id), sample_id or "")


@app.command()
def forget(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="A sample's id, a source as `windrow config` prints it (or `source:<uri>`), or `@` and a file of ids."
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
    `takedowns/` says who had what. The next run publishes a version without them. The files of your sources stay as
    they are. Without a sample, finishes a take-down that was cut short.
    """
    from windrow.flows.commands.forget import forget as flow

    flow(out, store, targets or [], near_duplicates, reason, None if dry_run else (lambda: yes or ask("Go on?")))


def ask(question: str) -> bool:
    """Ask the user."""
    return typer.confirm(question)


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="Name of the curated set.")],
    old: Annotated[
        str | None, typer.Argument(help="A version, as in v0001; by default the one before the last.")
    ] = None,
    new: Annotated[str | None, typer.Argument(help="Another version; by default the last.")] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Say what changed between two versions: samples added, removed, relabelled."""
    from windrow.flows.commands.answers import print_diff

    print_diff(out, store, name, old, new)


@app.command()
def report(
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
    to: Annotated[Path | None, typer.Option(help="Where to write the page; in the run's folder by default.")] = None,
) -> None:
    """Draw the HTML report of a run (again) and print its path."""
    from windrow.flows.commands.answers import draw_report

    out.print(str(draw_report(store, run_id, to)), markup=False, soft_wrap=True)


@app.command()
def levels(
    n: Annotated[int | None, typer.Argument(help="Samples of a pool; by default the levels of the last run.")] = None,
    target: Annotated[int | None, typer.Option(help="Samples wanted of them.")] = None,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
) -> None:
    """Show a run's levels of clusters, their sizes and inertia, or propose levels for a pool of N samples."""
    from windrow.flows.commands.levels import print_levels, print_proposal

    if n is not None:
        print_proposal(out, n, target)
        return
    if target is not None:
        raise typer.BadParameter("goes with a number of samples, as in `windrow levels 1000000 --target 50000`")
    from windrow.tasks.storage.catalog.views import connect_run

    print_levels(out, connect_run(store, run_id))


@app.command()
def worth(
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a run's curated set is worth against random samples, deduplicated ones and the last version.

    It is judged by held-out labelled samples, with 95 % intervals: see `worth` in the config.
    """
    from windrow.flows.commands.worth_answer import print_worth
    from windrow.tasks.storage.catalog.views import connect_run

    print_worth(out, connect_run(store, run_id), as_json)


@app.command()
def tune(
    config: ConfigFile = DEFAULT_CONFIG,
    policies: Annotated[str | None, typer.Option(help="Policies to try, as in `balanced,diverse`.")] = None,
    backbones: Annotated[str | None, typer.Option(help="Backbones to try beside the config's, with commas.")] = None,
    levels: Annotated[str | None, typer.Option(help="Numbers of levels of clusters to try, as in `1,2,3`.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="New file to write the winner to, as a config.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, with all recipes.")] = False,
    overrides: Overrides = None,
) -> None:
    """Choose a recipe: try policies, their settings and near-duplicate thresholds, and print the best as a config.

    Recipes race on one half of the held-out labelled samples, and the winner is judged on the other half, with its 95 %
    interval against random samples and against the config as it is. It takes a finished run, whose work is found done:
    only ranking and probes run, but for other levels and backbones. What is tried is `tune` in the config.
    """
    named = {"policies": policies, "backbones": backbones, "levels": levels}
    asked = [*(overrides or []), *(f"tune.{name}=[{text}]" for name, text in named.items() if text is not None)]
    _config(config, asked, verbose=False)
    log = logging.getLogger("windrow")
    log.handlers[:] = [logging.StreamHandler(sys.stderr)]  # what is printed is a config, or JSON
    from windrow.flows.commands.tune_answer import print_tuned

    print_tuned(config, asked, to, as_json)


audit = typer.Typer(no_args_is_help=True, help="How right are the labels? Check a sample by hand, or against a file.")
app.add_typer(audit, name="audit")
LabelSet = Annotated[str, typer.Option(help="The label set, as in `pseudo`, `probe` or `given`.")]


@audit.command("sample")
def audit_sample(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="New .csv or .parquet file.")] = Path("audit.csv"),
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many samples to check.")] = 100,
    label_set: LabelSet = "pseudo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other samples.")] = 0,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
) -> None:
    """Write a file of samples to check by hand, drawn by class and confidence from the labels that were not given.

    Fill in its column `correct` (y, n, or the true label), in any order and with any program, and give it to
    `windrow audit read`.
    """
    from windrow.flows.commands.audit import write_sample

    write_sample(out, store, run_id, path, n, label_set, seed)


@audit.command("read")
def audit_read(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `windrow audit sample`.")] = Path("audit.csv"),
    store: Store = DEFAULT_STORE,
) -> None:
    """Say what the verdicts in a file prove: how right the labels are, in all, by class and by confidence."""
    from windrow.flows.commands.audit import print_verdicts

    print_verdicts(out, store, path)


@audit.command("curve")
def audit_curve(
    truth: Annotated[
        Path, typer.Argument(help="A .csv, .tsv or .parquet file with columns label and sample_id, or key.")
    ],
    label_set: LabelSet = "pseudo",
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
) -> None:
    """Draw how right the labels are when only the surest are taken, by a file of true labels."""
    from windrow.flows.commands.audit import print_curve

    print_curve(out, store, run_id, truth, label_set)


@app.command()
def annotate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="New .csv or .parquet file.")] = Path("annotate.csv"),
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many samples to label.")] = 40,
    by: Annotated[
        Literal["auto", "typical", "uncertain", "hard-to-contrast"],
        typer.Option(
            help="typical: of each group that has no label yet (TypiClust), for few labels. uncertain: what a model of "
            "the labels cannot decide, for many. hard-to-contrast: a first choice without any (CSVAL). auto: uncertain "
            "from 10 labels a class on, typical before."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Another seed may choose other samples.")] = 0,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
) -> None:
    """Write the samples that should be labelled first, as a file for `labels.given`.

    Fill in its column `label` and run with `labels.given: FILE`; then annotate again, as often as you like: the labels
    that there are go into the next file too.
    """
    from windrow.flows.commands.annotate import print_annotation

    print_annotation(out, store, run_id, path, n, by, seed)


@app.command()
def batches(
    version: Annotated[Path, typer.Argument(help="Folder of a version, as in `data/store/curated/photos/v0001`.")],
    path: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("batches.parquet"),
    rule: Annotated[
        Literal["mixed", "same-cluster", "one-per-cluster", "class-balanced", "labelled-quota"],
        typer.Option(
            help="What a batch holds: samples at random, of one cluster, no two of one, as many of each class, "
            "or so many labelled ones."
        ),
    ] = "mixed",
    batch_size: Annotated[int, typer.Option("--size", help="Samples a batch.", min=1)] = 64,
    level: Annotated[int, typer.Option(help="Level of the clusters; 1 is the finest.", min=1)] = 1,
    quota: Annotated[int, typer.Option(help="Labelled samples a batch, for labelled-quota.", min=0)] = 0,
    share: Annotated[
        float, typer.Option("--same-cluster-share", help="Share of the batches that hold one cluster each, besides.")
    ] = 0.0,
    split: Annotated[str, typer.Option(help="Split of the version.")] = "train",
    where: Annotated[str | None, typer.Option(help="SQL predicate over the version's samples.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every draw.", min=0)] = 0,
) -> None:
    """Write which samples of a version a trainer sees together, for `data_loader(..., batches=FILE)` or any other.

    A rule is kept exactly: samples come again where they must for it, and how often is told.
    """
    from windrow.flows.commands.write_batches import print_batches
    from windrow.tasks.loading.batch_plan import BatchPlan

    print_batches(out, version, split, where, BatchPlan(rule, batch_size, level, quota, share, seed), path)


@app.command()
def convert(
    version: Annotated[Path, typer.Argument(help="Folder of a version, as in `data/store/curated/photos/v0001`.")],
    path: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; it may not be there yet.")],
    to: Annotated[
        Literal["energon", "mds", "litdata", "lance", "croissant"],
        typer.Option(help="Megatron-Energon, MosaicML Streaming, LitData, Lance, or a Croissant description."),
    ],
) -> None:
    """Write a version as another trainer's loader wants it.

    energon and croissant link the version's files and copy no image; the others are written by their own packages.
    """
    from windrow.tasks.conversion.all_formats import FORMATS
    from windrow.tasks.conversion.converted_version import convert_version

    n_bytes = convert_version(version, path, FORMATS[to])
    out.print(f"wrote {path}: {n_bytes:,} bytes besides what is linked", highlight=False, markup=False, soft_wrap=True)


@app.command()
def leaks(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Images, as `sources` names them (folder, tar, Parquet file, list); a version's folder; a Parquet "
            "file with columns sample_id and embedding; `pool`, the pool of the run; or `@` and a file of ids of it.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    threshold: Annotated[
        float | None, typer.Option(help="Cosine similarity from which on; by default the run's for near-duplicates.")
    ] = None,
    bits: Annotated[
        int | None, typer.Option(help="Bits, of 64, in which hashes may differ; by default the run's.", min=0, max=16)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all pairs as JSON.")] = False,
    store: Store = DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")] = None,
) -> None:
    """Find the near-duplicates between two sets, by bytes, perceptual hash and the store's backbone.

    Every pair within the thresholds is found. Exits with 1 when there is one, and with 0 when there is none. To keep a
    curated set clean of a test set, name that in `selection.keep_away`.
    """
    from windrow.flows.commands.leaks import print_leaks

    if print_leaks(out, store, run_id, (a, b), threshold, bits, as_json):
        raise typer.Exit(1)


@app.command()
def verify(
    path: Annotated[
        Path | None,
        typer.Argument(help="A store, or a version's folder as in `curated/photos/v0001`; by default the store."),
    ] = None,
    store: AnyStore = DEFAULT_STORE,
    quick: Annotated[bool, typer.Option("--quick", help="Hash nothing: counts, keys and sizes only.")] = False,
) -> None:
    """Read a store or a version again and say what is damaged: bytes, counts, keys, and references between tables."""
    from windrow.flows.commands.verify import verify_and_print

    if not verify_and_print(out, path or store, quick):
        raise typer.Exit(1)


@app.command()
def doctor(store: AnyStore = DEFAULT_STORE) -> None:
    """Check the installation, the store, the GPU and Prefect's API, and say what to do about what is wrong."""
    prepare(verbose=False)
    from windrow.flows.commands.doctor import examine

    table = Table(show_header=False, box=None)
    findings = examine(store)
    for finding in findings:
        mark = {"good": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}[finding.state]
        table.add_row(mark, escape(finding.subject), escape(finding.text))
    out.print(table)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


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
    end_in_time()
    sys.exit(run_command(partial(app, prog_name="windrow")))


if __name__ == "__main__":
    main()
