"""The commands that run the pipeline, once or every night, and those for its config."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from windrow.flows.commands.subjects.parameters import DEFAULT_CONFIG, ConfigFile, Overrides, RunnerChoice, Verbose
from windrow.flows.commands.subjects.starting import checked_config, out, prepare

UTC = "UTC"


class ConfigCommands(typer.core.TyperGroup):
    """`windrow config FILE` is `windrow config show FILE`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the command there that was left out."""
        named = bool(args) and args[0] in (*self.commands, "-h", "--help")
        return super().parse_args(ctx, args if named else ["show", *args])


config = typer.Typer(cls=ConfigCommands, help="What is in force? Print every setting, or the JSON Schema of a config.")


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


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with images, tars, Parquet files or lists.")] = Path(),
) -> None:
    """Write a commented `windrow.yaml` for what lies in a folder."""
    from windrow.tasks.first_config import write_first_config

    path, found = write_first_config(folder)
    for line in (*found, f"wrote {path}; go on with: windrow run {quote(str(path))}"):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def run(
    config: ConfigFile = DEFAULT_CONFIG,
    size: Annotated[
        int | None, typer.Option(min=0, help="How many samples to select: `selection.target_size` of the config.")
    ] = None,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Run the whole pipeline once: ingest, embed, cluster, label, rank, judge, export, report.

    `windrow run photos/` needs no config: what `windrow init` would write for that folder is taken.
    What an earlier run finished is found and not done again, so the same command goes on after an interruption.
    Two at once over one store share the work: neither waits, each finds what the other has finished.
    """
    sized = [] if size is None else [f"selection.target_size={size}"]
    settings = checked_config(config, [*(overrides or []), *sized], verbose)
    from windrow.flows.orchestrator import carry
    from windrow.flows.summary import print_run
    from windrow.tasks.pipeline import curate

    print_run(out, carry("curate", settings, runner, curate).run)


def demo(
    data: Annotated[Path, typer.Argument(help="Folder for the pool and the store.")] = Path("data/demo"),
    runner: RunnerChoice = "auto",
) -> None:
    """Run everything on a small pool that needs no download, and say how well it did against the truth."""
    prepare(verbose=False)
    from windrow.flows.demo.demo import demo as run_demo

    run_demo(out, data, runner)


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
    settings = checked_config(config, overrides, verbose or cron is not None)
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


def ingest(
    config: ConfigFile = DEFAULT_CONFIG,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Only read the sources: find, verify and record every sample. Nothing is copied."""
    _run_until("ingest", checked_config(config, overrides, verbose), runner)


def export(
    config: ConfigFile = DEFAULT_CONFIG,
    runner: RunnerChoice = "auto",
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Export the curated set as a new version; what it needs and has not been done yet is done first."""
    _run_until("export", checked_config(config, overrides, verbose), runner)


def _run_until(step: str, settings: Any, runner: Any) -> None:
    from windrow.flows.orchestrator import carry
    from windrow.tasks.pipeline import curate

    run = carry(step, settings, runner, partial(curate, until=step)).run
    out.print(f"run {run.run_id}, without the stages after {run.stages()[-1].stage}")
