"""The commands that make a version ready for a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from windrow.flows.commands.subjects.parameters import DEFAULT_CONFIG
from windrow.flows.commands.subjects.starting import out


def batches(
    version: Annotated[Path, typer.Argument(help="Folder of a version, as in `data/store/curated/photos/v0001`.")],
    path: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("batches.parquet"),
    rule: Annotated[
        Literal["mixed", "same-cluster", "one-per-cluster", "class-balanced", "labelled-quota"],
        typer.Option(
            help="What a batch holds: samples at random, of one cluster, no two of one, as many of each class, "
            "or so many labelled ones."
        ),
    ] = "mixed",
    batch_size: Annotated[int, typer.Option("--size", help="Samples in each batch.", min=1)] = 64,
    level: Annotated[int, typer.Option(help="Level of the clusters; 1 is the finest.", min=1)] = 1,
    quota: Annotated[int, typer.Option(help="Labelled samples in each batch, for labelled-quota.", min=0)] = 0,
    share: Annotated[
        float, typer.Option("--same-cluster-share", help="Share of batches of one cluster only, whatever the rule.")
    ] = 0.0,
    split: Annotated[str, typer.Option(help="Split of the version.")] = "train",
    where: Annotated[str | None, typer.Option(help="SQL predicate over the version's samples.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other batches.", min=0)] = 0,
) -> None:
    """Write which samples of a version a trainer sees together, for `data_loader(..., batches=FILE)` or any other.

    A rule is kept exactly: samples come again where they must for it, and how often is told.
    """
    from windrow.flows.commands.write_batches import print_batches
    from windrow.tasks.loading.batch_plan import BatchPlan

    print_batches(out, version, split, where, BatchPlan(rule, batch_size, level, quota, share, seed), path)


def card(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A config; with --check also the folder of a version.")
    ] = DEFAULT_CONFIG,
    check: Annotated[
        bool, typer.Option("--check", help="Only say which answers are missing; exits with 1 if any is.")
    ] = False,
) -> None:
    """Write the questions that only people can answer of a set, for its cards: purpose, consent, maintenance, ...

    Writes `card.yaml` beside the config, or the file that `export.card` names, with ten questions, and says which of
    them have no answer. A file that is there is left as it is.
    """
    from windrow.flows.commands.card_questions import ask_people, missing_answers

    missing = missing_answers(out, path) if check else ask_people(out, path)
    if check and missing:
        raise typer.Exit(1)


def convert(
    version: Annotated[Path, typer.Argument(help="Folder of a version, as in `data/store/curated/photos/v0001`.")],
    path: Annotated[Path, typer.Option("--out", "-o", help="New folder to write.")],
    to: Annotated[
        Literal["energon", "mds", "litdata", "lance", "croissant", "huggingface", "huggingface-webdataset", "coco"],
        typer.Option(
            help="Megatron-Energon, MosaicML Streaming, LitData, Lance, a Croissant description, a folder for the "
            "Hugging Face Hub (of the Parquet files, or of the tars), or COCO's lists."
        ),
    ],
) -> None:
    """Write a version as another trainer's loader wants it.

    mds, litdata and lance are written by their own packages; the others link the version's files and copy no image.
    """
    from windrow.tasks.conversion.all_formats import FORMATS
    from windrow.tasks.conversion.converted_version import convert_version

    n_bytes = convert_version(version, path, FORMATS[to])
    out.print(f"wrote {path}: {n_bytes:,} bytes besides what is linked", highlight=False, markup=False, soft_wrap=True)
