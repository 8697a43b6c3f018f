"""An extension of the site's generator: it fences examples in docstrings, which Markdown would take for quotations."""

import re
from typing import Any

import griffe


class FencedExamples(griffe.Extension):
    """Puts every run of lines that begins with `>>>` into a block of its own."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^>>> (?:.+\n?)+", _fenced, obj.docstring.value, flags=re.M)


def _fenced(example: re.Match[str]) -> str:
    return f"```pycon\n{example[0].rstrip()}\n```\n"
