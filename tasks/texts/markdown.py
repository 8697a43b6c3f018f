"""Text for Markdown, in cards on Hugging Face and artifacts of Prefect's: a word, and never a picture or a link."""

from __future__ import annotations

import re

from windrow.tasks.texts.terminal import visible

# What starts emphasis, code, links, pictures, formulas and cells; as entities what starts HTML and entities, and what
# makes an address a link, or a word a picture, by itself.
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_LINKS = re.compile(r"(?i)(?<=www)\.|:(?=\S)")  # a colon before a space is part of no address


def inline(text: str) -> str:
    """Return text that reads as itself within a line or a cell of a table.

    >>> inline("![x](http://y)"), inline("barn owl")
    ('!\\\\[x\\\\](http&#58;//y)', 'barn owl')
    """
    shown = visible(text)
    escaped = _SPECIAL.sub(lambda found: "\\" + found[0], shown)
    for char, entity in _ENTITIES.items():
        escaped = escaped.replace(char, entity)
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", escaped)


def code(text: str) -> str:
    """Return text as a span of code, whatever backticks are in it."""
    shown = visible(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
