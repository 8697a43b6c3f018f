"""The commands that make the next set better: recipes, labels by hand, pictures of a test set."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from windrow.flows.commands.subjects.parameters import (
    DEFAULT_CONFIG,
    DEFAULT_STORE,
    ConfigFile,
    Overrides,
    RunId,
    Store,
)
from windrow.flows.commands.subjects.starting import checked_config, out


def tune(
    config: ConfigFile = DEFAULT_CONFIG,
    policies: Annotated[str | None, typer.Option(help="Policies to try, as in `balanced,diverse`.")] = None,
    backbones: Annotated[str | None, typer.Option(help="Backbones to try beside the config's, with commas.")] = None,
    levels: Annotated[str | None, typer.Option(help="Numbers of levels of clusters to try, as in `1,2,3`.")] = None,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="New file for the winner, as a config.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, with all recipes.")] = False,
    overrides: Overrides = None,
) -> None:
    """Choose a recipe: try policies, their settings and near-duplicate thresholds, and print the best as a config.

    Recipes race on one half of the held-out labelled samples, and the winner is judged on the other half, with its 95 %
    interval against random samples and against the config as it is. It needs a finished run, and uses what that made:
    only ranking and judging are done anew, and what other levels or backbones take. `tune` in the config says what is
    tried.
    """
    named = {"policies": policies, "backbones": backbones, "levels": levels}
    asked = [*(overrides or []), *(f"tune.{name}=[{text}]" for name, text in named.items() if text is not None)]
    checked_config(config, asked, verbose=False)
    log = logging.getLogger("windrow")
    log.handlers[:] = [logging.StreamHandler(sys.stderr)]  # what is printed is a config, or JSON
    from windrow.flows.commands.tune_answer import print_tuned

    print_tuned(config, asked, to, as_json)


audit = typer.Typer(no_args_is_help=True, help="How right are the labels? Check a sample by hand, or against a file.")
LabelSet = Annotated[str, typer.Option(help="The label set, as in `pseudo`, `probe` or `given`.")]


@audit.command("sample")
def audit_sample(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="New .csv or .parquet file.")] = Path("audit.csv"),
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many samples to check, or pairs.")] = 100,
    label_set: LabelSet = "pseudo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other samples.")] = 0,
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
) -> None:
    """Write a file of samples to check by hand, drawn by class and confidence from the labels that were not given.

    Fill in its column `correct` (y, n, or the true label), in any order and with any program, and give it to
    `windrow audit read`. Where samples may be of several classes, it has pairs of a sample and a class with the state
    that is said of them, half of them present: write y, n, present or absent.
    """
    from windrow.flows.commands.audit import write_sample

    write_sample(out, store, run_id, path, n, label_set, seed)


@audit.command("read")
def audit_read(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `windrow audit sample`.")] = Path("audit.csv"),
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Add the verdicts to the store's corrections: the next run takes them as what is true."
        ),
    ] = False,
    who: Annotated[str, typer.Option(help="Who gave the verdicts, for --apply.")] = "audit",
    store: Store = DEFAULT_STORE,
) -> None:
    """Say what the verdicts in a file prove: how right the labels are, in all, by class and by confidence.

    Where samples may be of several classes, of what is said to be present, and of what is said to be absent.
    """
    from windrow.flows.commands.audit import apply_verdicts, print_verdicts

    print_verdicts(out, store, path)
    if apply:
        apply_verdicts(out, store, path, who)


@audit.command("curve")
def audit_curve(
    truth: Annotated[
        Path,
        typer.Argument(
            help="A .csv, .tsv or .parquet file with columns label and sample_id, or key; and state, where samples may "
            "be of several classes."
        ),
    ],
    label_set: LabelSet = "pseudo",
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
) -> None:
    """Print how right the labels are when only the most confident are taken, judged by a file of true labels."""
    from windrow.flows.commands.audit import print_curve

    print_curve(out, store, run_id, truth, label_set)


def annotate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="New .csv or .parquet file.")] = Path("annotate.csv"),
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many samples, or pairs, to label.")] = 40,
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
    run_id: RunId = None,
) -> None:
    """Write the samples that should be labelled first, as a file for `labels.given`.

    Fill in its column `label` and run with `labels.given: FILE`; then annotate again, as often as you like: the labels
    that there are go into the next file too. Where samples may be of several classes, the file has pairs of a sample
    and a class: write present or absent into its column `state`.
    """
    from windrow.flows.commands.annotate import print_annotation

    print_annotation(out, store, run_id, path, n, by, seed)


def leaks(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Images, as `sources` names them (folder, tar, Parquet file, list); a version's folder; a Parquet "
            "file with columns sample_id and embedding; `pool`, the pool of the run; or `@FILE`, some of its ids.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="What to compare it with: any of these.")],
    threshold: Annotated[
        float | None, typer.Option(help="Least cosine similarity of a pair; by default the run's for near-duplicates.")
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(help="Bits of 64 in which perceptual hashes may differ; by default the run's.", min=0, max=16),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all pairs as JSON.")] = False,
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
) -> None:
    """Find the near-duplicates between two sets, by bytes, perceptual hash and the store's backbone.

    Every pair within the thresholds is found. Exits with 1 when there is one, and with 0 when there is none. To keep a
    curated set clean of a test set, name that in `selection.keep_away`.
    """
    from windrow.flows.commands.leaks import print_leaks

    if print_leaks(out, store, run_id, (a, b), threshold, bits, as_json):
        raise typer.Exit(1)
