"""What benchmarks write into pages of docs/evidence: what stands between two marks, and none of the prose around."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence"


def write_places(page: Path, made: Mapping[str, str]) -> None:
    """Put what was made into its places of a page, each between `<!-- NAME -->` and `<!-- end of NAME -->`.

    Raises ValueError, naming the page and the marks, where it has no such place or has it twice; nothing is written.
    """
    text = page.read_text(encoding="utf-8")
    for place, lines in made.items():
        text = _placed(text, place, lines, page.name)
    page.write_text(text, encoding="utf-8")


def _placed(text: str, place: str, lines: str, name: str) -> str:
    start, end = f"<!-- {place} -->", f"<!-- end of {place} -->"
    head, _, rest = text.partition(start)
    _, _, tail = rest.partition(end)
    if not text.count(start) == text.count(end) == rest.count(end) == 1:
        raise ValueError(f"{name}: wants {start} and, below, {end}, each once")
    return f"{head}{start}\n\n{lines.strip()}\n\n{end}{tail}"
