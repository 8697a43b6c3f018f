"""All tables of docs/evidence/selection-tables.md: python tests/benchmarks/bench_selection_grid.py --write

Each of BLOCKS is a table of bench_selection.py. What is done is kept (data/selection), so a grid that was interrupted
goes on where it was, and one block of it can be made in a process of its own (--blocks 3 7). At the end stands what the
default and its rivals gain in every block. It takes about an hour of a core.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_selection import PAGE, RANDOM, Found, measured, options, table, write_section
from intervals import half_width
from rich.console import Console
from selection_orders import DEFAULT, PRUNING, UNLABELLED

MOBILENET = "hf:../shared/models/mobilenet_v2_1.0_224"
DIRTY = "--dirty .2 --dirt photographs crops numbers --copies .1"
BLOCKS = (
    "--labels 0",
    *(f"{DIRTY} --brief --labels {labels}" for labels in (0, 10, 1, 100)),
    "",
    "--labels 1",
    "--labels 100",
    "--dirty .16",
    "--tail 1 --head 480",
    "--bounds --brief",
    *(f"--tail 10 --head 1000 --brief --labels {labels}" for labels in (0, 10, 1, 100)),
    *(f"--pool digits --encoder patches --tail 10 --labels {labels}" for labels in (0, 10, 1)),
    *(f"--encoder {MOBILENET} --judge lite0 --brief --labels {labels}" for labels in (0, 10)),
    *(f"--dirty .2 --dirt scans textures noise pages --brief --labels {labels}" for labels in (0, 10, 1)),
    f"--encoder {MOBILENET} --judge lite0 --dirty .2 --dirt scans textures noise pages --brief --labels 0",
    "--dirty .16 --brief --labels 0",
    "--tail 1 --head 480 --brief --labels 0",
    f"--seeds 3 --only '{UNLABELLED}' '{DEFAULT}'",
)
RIVALS = ("inverse-density", "diverse", PRUNING, "balanced")


def summary_rows(title: str, found: Sequence[Found]) -> list[str]:
    """A line of the default and one of each rival: gains plain and weighted, and off-topic samples beside random's."""
    rows = []
    for name in (DEFAULT, UNLABELLED, *RIVALS):
        cells = []
        for fifths in (1, 2):
            gain = np.array([each[name, fifths][:2] - each[RANDOM, fifths][:2] for each in found])
            cells += [f"{gain[:, c].mean():+.1f} ± {half_width(gain[:, c]):.1f}" for c in (0, 1)]
        off, drawn = (np.mean([each[one, 1][3] for each in found]) for one in (name, RANDOM))
        rows.append(f"| {title} | {name} | {' | '.join(cells)} | {off:.1f} % ({drawn:.1f} %) |")
        title = ""
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="*", default=range(1, len(BLOCKS) + 1), help="by number, from 1")
    parser.add_argument("--out", type=Path, default=Path("data/selection"), help="folder of features and scores")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    asked, told = parser.parse_args(), Console(stderr=True)
    lines = [
        "| pool | policy | 1/5: plain | weighted | 2/5: plain | weighted | off topic (random) |",
        f"|---|---|{'---:|' * 5}",
    ]
    machine = f"{platform.machine()}, {os.cpu_count()} cores\n"
    for place, number in enumerate(asked.blocks, 1):
        block = BLOCKS[number - 1]
        told.print(f"block {number} ({place} of {len(asked.blocks)}): {block or 'as by default'}", markup=False)
        title, found = measured(options().parse_args([*shlex.split(block), "--out", str(asked.out)]))
        text = f"{table(found, '--copies' in block)}\n\n{machine}"
        print(f"### {title}\n\n{text}", flush=True)
        if asked.write:
            write_section(title, text)
        if "--bounds" not in block and "--only" not in block:
            lines += summary_rows(re.sub(r", 5 pools.*\), ", ", ", title), found)
    summary = "\n".join([*lines, "", machine])
    print(summary)
    if asked.write and len(asked.blocks) == len(BLOCKS):
        write_section("All of them, the default and its rivals", summary)


if __name__ == "__main__":
    main()
