"""Cited numbers on a page: a link to the SQL in a sentence, a row of a table that one link stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from windrow.tasks.report.cited import Cited, Rows
from windrow.tasks.report.drawings.figures import bar
from windrow.tasks.report.drawings.svg import element
from windrow.tasks.report.formats import NOTHING, count, shortened

LONGEST = 48


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, the column of the answer, and how it is written; `filled` is a bar's style."""

    title: str
    name: str
    form: Callable[[Any], str] = count
    filled: str = ""


def linked(form: Callable[..., str]) -> Callable[..., str | Markup]:
    """Return a way of writing numbers that makes each cited one a link to its SQL, and a dash of none."""

    def written(value: Any, *options: Any) -> str | Markup:
        text = NOTHING if value is None else form(value, *options)
        return element("a", text, href=f"#{value.anchor}", **_cited(value)) if isinstance(value, Cited) else text

    return written


def table(rows: Rows, *columns: Column) -> Markup:
    """Return the rows of an answer as a table that scrolls by itself, with a link to its SQL."""
    head = element("tr", *(_head(column) for column in columns))
    body = [
        element("tr", *(_cell(column, row[column.name], n == 0) for n, column in enumerate(columns))) for row in rows
    ]
    caption = element("caption", sql_link(rows.anchor))
    drawn = element("table", caption, element("thead", head), element("tbody", *body))
    return element("div", drawn, class_="wide")


def sql_link(anchor: str) -> Markup:
    """Return a link to a question."""
    return element("a", "SQL", href=f"#{anchor}", class_="sql")


def text(value: Any) -> str:
    """A text of the data's, cut where it is long."""
    return NOTHING if value is None else shortened(str(value), LONGEST)


def _head(column: Column) -> Markup:
    style = "bars" if column.filled else "" if column.form is text else "n"
    return element("th", column.title, scope="col", class_=style)


def _cell(column: Column, value: Any, names: bool) -> Markup:
    if column.filled:
        return element("td", bar(value or 0, column.filled))
    cited = _cited(value) if isinstance(value, Cited) else {}
    written = NOTHING if value is None else column.form(value)
    if column.form is text:
        return element("th" if names else "td", written, class_="data", title=str(value or ""))
    return element("th" if names else "td", written, class_="n", **cited)


def _cited(value: Any) -> dict[str, str]:
    return {"data_sql": value.anchor, "data_at": f"{value.row} {value.column}", "data_value": f"{value:.6g}"}
