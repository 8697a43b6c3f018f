"""The commands about what people say of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windrow.flows.commands.subjects.parameters import DEFAULT_STORE, Store
from windrow.flows.commands.subjects.starting import out

corrections = typer.Typer(
    no_args_is_help=True, help="What people say of samples: facts that the next run takes, and never edits of data."
)
Who = Annotated[str, typer.Option(help="Your name, to be kept with what you say.", envvar=["WINDROW_WHO", "USER"])]


@corrections.command("list")
def list_them(
    store: Store = DEFAULT_STORE,
    every: Annotated[bool, typer.Option("--all", help="Also what was undone, or said otherwise later.")] = False,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="New .csv file to write them to.")] = None,
) -> None:
    """List the corrections that the next run takes, or write them to a file that `windrow corrections import` reads."""
    from windrow.flows.commands.correction_answers import print_corrections, write_corrections

    if to is None:
        print_corrections(out, store, every)
    else:
        write_corrections(out, store, every, to)


@corrections.command("add")
def add(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Its id, its key, or the first digits of its id.")],
    kind: Annotated[
        str,
        typer.Argument(
            help="`label`, `wrong_label`, `keep`, `drop`, `not_a_duplicate`, `wrong_cluster`; or `undo`, which "
            "withdraws what you said of it."
        ),
    ],
    value: Annotated[
        str | None, typer.Argument(help="The class; the other sample of `not_a_duplicate`; the kind to undo.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
    who: Who = "user",
    store: Store = DEFAULT_STORE,
) -> None:
    """Say what is true of a sample, as in `windrow corrections add IMG_7 label cat --why 'it has ears'`."""
    from windrow.flows.commands.correction_answers import add_correction

    add_correction(out, store, sample, kind, value, who, why)


@corrections.command("import")
def read(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .csv, .tsv or .parquet file with columns kind and sample_id or key (and value, other, who, why); "
            "a JSON export of Label Studio; or samples.json of a FiftyOne dataset.",
        ),
    ],
    who: Annotated[
        str, typer.Option(help="Who said it, where the file does not tell.", envvar=["WINDROW_WHO", "USER"])
    ] = "user",
    store: Store = DEFAULT_STORE,
) -> None:
    """Read what people said of samples elsewhere. All of a file is taken, or, where a row is wrong, nothing."""
    from windrow.flows.commands.correction_answers import import_corrections

    import_corrections(out, store, path, who)
