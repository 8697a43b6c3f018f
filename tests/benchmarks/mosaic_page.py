"""The command line of the tables of pools of mosaics, and their place in docs/evidence/multi-label.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from evidence_page import EVIDENCE, write_places

PAGE = EVIDENCE / "multi-label.md"


def make_tables(description: str | None, place: str, measure: Callable[[Path, str, Path], Iterable[str]]) -> None:
    """Print the lines that `measure` gives of (data, model, folder for embeddings); --write puts them into the page."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--out", type=Path, default=Path("/tmp/mosaics"), help="a folder for the embeddings")
    parser.add_argument("--write", action="store_true", help=f"write docs/evidence/{PAGE.name}")
    args = parser.parse_args()
    lines = "\n".join(measure(args.data, args.model, args.out))
    print(lines)
    if args.write:
        write_places(PAGE, {place: lines})
