"""What `windrow annotate` says of the samples that it has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from rich.console import Console

from windrow.tasks.labels.annotation_file import write_annotation
from windrow.tasks.storage.store.run_rest import whole_run


def print_annotation(console: Console, store: Path, run_id: str | None, path: Path, n: int, by: str, seed: int) -> None:
    """Write the samples to label first to a file, and say how to go on."""
    run = whole_run(store, run_id)
    written = write_annotation(path, run, n, by, seed)
    if written.is_of_states:
        _say_states(console, path, written.n_asked, n, run.config["labels"]["given"])
        return
    known = f", and the {written.n_given:,} that have a label" if written.n_given else ""
    few = f" (all that are left of the {n:,} asked for)" if written.n_asked < n else ""
    command = f"windrow run -s {quote(f'labels.given={path}')}"
    for line in (
        f"{path}: {written.n_asked:,} samples to label{few}, chosen by {written.by}{known}",
        f"fill in `label`, in any order; what stays empty has none. Then: {command}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _say_states(console: Console, path: Path, n_asked: int, n: int, given: Sequence[str]) -> None:
    few = f" (all that are left of the {n:,} asked for)" if n_asked < n else ""
    files = ", ".join([*(each for each in given if each not in ("none", str(path))), str(path)])
    command = f"windrow run -s {quote(f'labels.given=[{files}]')}"
    for line in (
        f"{path}: {n_asked:,} pairs of a sample and a class whose state is least sure{few}",
        f"write present or absent over unknown, where you know it. Then: {command}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
