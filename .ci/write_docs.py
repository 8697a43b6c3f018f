"""Write what can be derived into README.md and docs/.

The reference pages come from the code: tables, settings, commands. Every block marked `console` shows what its commands
print over the demo's store, which is made anew for it. `--references` writes the reference pages only, in seconds.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from reference_pages import agents_page, commands_page, hostile_page, settings_page, tables_page

DOCS = Path("docs")
DEMO = Path("data/demo")
# In this order: a query is about the last run, and these pages end with runs of their own.
ANSWERED = (
    DOCS / "tutorials" / "first-run.md",
    Path("README.md"),
    DOCS / "how-to" / "ask.md",
    DOCS / "tutorials" / "labels.md",
    DOCS / "tutorials" / "nightly.md",
    DOCS / "how-to" / "train.md",
)
PROGRAMS = {
    "windrow": ["-m", "windrow"],
    "make": ["-m", "windrow", "demo"],
    "python": [],
}
BLOCK = re.compile(r"```console\n(?P<body>.*?)```", re.S)


def commands(body: str) -> list[str]:
    """Return the commands of a block: its lines that begin with a dollar sign."""
    return [line.removeprefix("$ ") for line in body.splitlines() if line.startswith("$ ")]


def answer(command: str) -> str:
    """Run `windrow ...`, `python ...` or `make demo`, and return what it prints."""
    if command == "make demo":
        shutil.rmtree(DEMO, ignore_errors=True)
    program, *words = shlex.split(command)
    words = [sys.executable, *PROGRAMS[program], *(words if program != "make" else [])]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def answered(page: str) -> str:
    """Return the page with its blocks answered: each has its commands, and what the last of them prints now."""

    def block(found: re.Match[str]) -> str:
        asked = commands(found["body"])
        shown = [answer(command) for command in asked][-1]
        return "```console\n" + "".join(f"$ {command}\n" for command in asked) + shown + "```"

    return BLOCK.sub(block, page)


REFERENCES = {
    DOCS / "reference" / "settings.md": settings_page,
    DOCS / "reference" / "commands.md": commands_page,
    DOCS / "reference" / "tables.md": tables_page,
    DOCS / "reference" / "agents.md": agents_page,
    DOCS / "evidence" / "hostile-input.md": hostile_page,
}


def main() -> None:
    """Write the references and, unless told otherwise, the answers; that runs the demo."""
    for path, page in REFERENCES.items():
        path.write_text(page())
    if "--references" not in sys.argv:
        for path in ANSWERED:
            path.write_text(answered(path.read_text()))


if __name__ == "__main__":
    main()
