"""The pages of docs/ that are written from the code as a whole: settings, commands, tables, hostile input."""

import json
import re
import subprocess
import sys
from dataclasses import MISSING, asdict
from pathlib import Path
from typing import Any

from windrow.flows.serving.store_page import store_page
from windrow.schemas import TABLES
from windrow.tasks.settings_reference import Setting, settings_reference

TABLES_HEAD = """\
# Tables

Every table that a store holds, with each column's type and meaning. Ask them with
[`windrow query`](commands.md#windrow-query), or from Python with [`windrow.open_catalog`](python.md). Most questions
are for `pool`, with one row for each readable sample and all that is known of it, or for `curated`, its selected part.
Where samples may be of several classes (`labels.kind: multi`) both have the lists `present` and `absent` too, and the
view `states` has these by label set, with a probability of each.

"""

SETTINGS_HEAD = """\
# Settings

Every field of a config, with what it may be, its default and what it means. `windrow init` writes a config for a
folder of yours, `windrow config` prints the one in force, `windrow config schema` is the JSON Schema for an editor.

A field's place is how errors and `--set` name it: `windrow run -s selection.target_size=500`. N stands for the
number of an item of a list, from 0. An unknown field is refused, with the one that you may have meant. Relative paths
in a file start from the file's folder.
"""


def settings_page() -> str:
    """Return the reference of all settings: a table for each section, a section before what is in it."""
    settings = list(settings_reference())
    meanings = {each.place: each.meaning for each in settings}
    sections: dict[str, list[Setting]] = {}
    for setting in settings:
        if not setting.is_section:
            sections.setdefault(setting.place.rpartition(".")[0], []).append(setting)
    parts = [SETTINGS_HEAD]
    for section, members in sections.items():
        parts += [f"{'###' if '.' in section else '##'} " + (f"`{section}`" if section else "At the top"), ""]
        parts += [meanings[section.removesuffix(".N")], ""] if section else []
        parts += ["| field | may be | default | meaning |", "|---|---|---|---|", *map(_row, members), ""]
    return "\n".join(parts).rstrip() + "\n"


def _row(setting: Setting) -> str:
    name = setting.place.rpartition(".")[2]
    kind = ", ".join(filter(None, (setting.kind, setting.bounds.replace("something", "not empty"))))
    cells = (f"`{name}`", kind, _default(setting.default), setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if value is MISSING:
        return "must be said"
    return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value, default=asdict)}`"


def tables_page() -> str:
    """Return the reference of all tables."""
    return TABLES_HEAD + "\n\n".join(table.markdown() for table in TABLES) + "\n"


def agents_page() -> str:
    """Return the page of the store for agents, as `windrow serve` gives it."""
    return store_page()


def commands_page() -> str:
    """Return the reference of the command line, by typer; its list of commands has each one's first sentence whole."""
    words = ["-m", "typer", "windrow.flows.commands.cli", "utils", "docs", "--name", "windrow", "--title", "Commands"]
    page = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout
    first = dict(re.findall(r"^##+ `(windrow .*?)`\n\n(.*)$", page, re.M))
    group = "windrow"
    lines = []
    for line in page.splitlines():
        group = (re.findall(r"^##+ `(windrow .*)`", line) or [group])[0]
        command = re.match(r"\* `([a-z]+)`: ", line)
        name = f"{group} {command[1]}" if command else ""
        lines.append(f"* [`{name}`](#{name.replace(' ', '-')}): {first[name]}" if command else line)
    lines[0] += "\n\nEvery command of `windrow`, with its arguments and options; `windrow COMMAND -h` prints the same."
    return "\n".join(lines).replace("```console", "```text").rstrip() + "\n"


def hostile_page() -> str:
    """Return the page of hostile inputs, from the list that the tests go through."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from hostile_inputs import page

    return page()
