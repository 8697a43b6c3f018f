"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ConfigFile = Annotated[
    Path,
    typer.Argument(
        metavar="[CONFIG]",
        help="YAML file that says what to curate, and how; or a folder of pictures.",
    ),
]


def of_our_format(store: Path) -> Path:
    """Look at the format of a store before anything else is done."""
    from windrow.tasks.storage.store.store_format import check_format

    check_format(store)
    return store


Store = Annotated[Path, typer.Option(envvar="WINDROW_STORE", help="Folder of the store.", callback=of_our_format)]
AnyStore = Annotated[Path, typer.Option(envvar="WINDROW_STORE", help="Folder of the store.")]
RunId = Annotated[str | None, typer.Option("--run", help="A run's id; the last finished run by default.")]
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
        help="What carries the run out: Prefect (at PREFECT_API_URL, or a temporary server), or this process alone "
        "(plain). auto takes Prefect where it can be had.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log too.")]
DEFAULT_CONFIG = Path("windrow.yaml")
DEFAULT_STORE = Path("data/store")
