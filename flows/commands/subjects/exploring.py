"""The command that shows a store in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windrow.flows.commands.subjects.correcting import Who
from windrow.flows.commands.subjects.parameters import RunId
from windrow.flows.commands.subjects.starting import out


def explore(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="Config that names the store; windrow.yaml where there is one."),
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of the store, instead of a config.")] = None,
    run_id: RunId = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 for any free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    who: Who = "user",
) -> None:
    """Look at a pool in a browser: its map, its pictures, why each was kept or dropped; and correct what is wrong.

    It is served on this machine alone, to whoever has the address, and needs no network. Corrections are facts that
    the next `windrow run` takes. Ctrl-C ends it.
    """
    if store is not None and config is not None:
        raise typer.BadParameter("goes without a config", param_hint="--store")
    from windrow.flows.exploring.store_place import store_at

    place = store_at(store or config)
    from windrow.flows.exploring.exploration import explore_store

    explore_store(out, place, run_id, port, browser, who)
