"""Text for a terminal, a log and a page: what would move the cursor, or turn the line around, is written out."""

from __future__ import annotations

import re

import rich.console
import rich.markup
import rich.text
from rich.errors import MarkupError

# Controls (C0, DEL, C1), what breaks lines, turns the direction or hides, halves of pairs, and tags.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

_BRACKET = re.compile(r"(\\*)\[(?=([a-z#/@][^\[]*?\]))?")  # rich takes [x] for a tag, and a lone [ for itself


def visible(text: str, lines: bool = False) -> str:
    r"""Return text with its control characters written as '\x1b', '\u202e', ...; with `lines`, line ends stay.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _CONTROL.sub(lambda found: found[0] if lines and found[0] == "\n" else _written(found[0]), text)


def visible_json(text: str) -> str:
    r"""Return JSON with the control characters in its texts as '\u009b', which reads as the same JSON."""
    return _CONTROL.sub(lambda found: _written_for_json(found[0]), text)


def escape(text: str) -> str:
    """Return text for rich markup, in which it stands for itself.

    Unlike rich's own, of a backslash before a bracket that begins no tag nothing is lost.
    """
    escaped = _BRACKET.sub(_escaped_bracket, visible(text))
    n_last = len(escaped) - len(escaped.rstrip("\\"))
    return escaped + "\\" * n_last  # or it would escape a tag that comes behind it


class TextConsole(rich.console.Console):
    """A terminal on which no text, wherever it comes from, is more than text, and none ends the command."""

    def render_str(self, text: str, **options: object) -> rich.text.Text:  # type: ignore[override]
        """Make a line of text; markup that does not parse is text, too."""
        plain = visible(text, lines=True)
        try:
            return super().render_str(plain, **options)  # type: ignore[arg-type]
        except MarkupError:
            return super().render_str(plain, **{**options, "markup": False})  # type: ignore[arg-type]


def _escaped_bracket(found: re.Match[str]) -> str:
    before = found[1]
    if found[2] is not None:
        return f"{before}{before}\\["
    return f"{before}\\[" if before else "["


def _written(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 2**16 else f"\\U{number:08x}"


def _written_for_json(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
