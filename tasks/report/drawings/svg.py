"""Elements of SVG and HTML as escaped text: what is drawn goes through `element`, so nothing stays unescaped."""

from __future__ import annotations

from markupsafe import Markup, escape

from windrow.tasks.texts.terminal import visible


def element(tag: str, *children: str | Markup, **attributes: str | float) -> Markup:
    """Return an element. Strings are escaped, also in attributes; `class_` is `class`, and `_` in a name is `-`.

    No class is no attribute.
    """
    there = {name: value for name, value in attributes.items() if name != "class_" or value}
    written = "".join(f' {_name(name)}="{_value(value)}"' for name, value in there.items())
    return Markup(f"<{tag}{written}>" if tag == "img" else f"<{tag}{written}>{''.join(map(_text, children))}</{tag}>")


def _name(name: str) -> str:
    return {"viewBox": "viewBox"}.get(name, name.rstrip("_").replace("_", "-"))


def _value(value: str | float) -> str:
    return _text(value) if isinstance(value, str) else number(value)


def _text(words: str | Markup) -> Markup:
    return words if isinstance(words, Markup) else escape(visible(words))


def number(value: float) -> str:
    """A coordinate with one decimal, which is a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def picture(width: float, height: float, label: str, *children: Markup, style: str = "") -> Markup:
    """Return an SVG drawing that scales with the page; `label` says in words what is to be seen."""
    box = f"0 0 {number(width)} {number(height)}"
    return element("svg", *children, viewBox=box, role="img", aria_label=label, class_=f"figure {style}".rstrip())


def text(x: float, y: float, words: str, **attributes: str | float) -> Markup:
    """Return a line of text."""
    return element("text", words, x=x, y=y, **attributes)


def dots(points: list[tuple[float, float]], class_: str) -> Markup:
    """Return many dots as one path of lines without length, whose round ends are the dots: a few bytes each."""
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return element("path", d=path, class_=class_)
