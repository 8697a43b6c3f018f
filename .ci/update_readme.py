"""Write into README.md and HOSTILE.md what can be derived: tables, and what queries print over the demo's store."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from windrow.schemas import TABLES

README = Path("README.md")
HOSTILE = Path("HOSTILE.md")
STORE = Path("data/demo/store")
QUERY = re.compile(
    r'(```console\n\$ windrow query --store data/demo/store "(?P<sql>[^"]+)"\n)(?P<output>.*?)(```)', re.S
)


def table_reference() -> str:
    """Return the reference of all tables."""
    return "\n\n".join(table.markdown() for table in TABLES)


def answer(sql: str) -> str:
    """Return what the command prints."""
    words = [sys.executable, "-m", "windrow.flows.commands.cli", "query", "--store", str(STORE), sql]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def demo() -> str:
    """Run the demo anew and return what it prints, as a block."""
    shutil.rmtree(STORE.parent, ignore_errors=True)
    words = [sys.executable, "-m", "windrow.flows.demo.demo"]
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return f"```\n{shown}```"


def training() -> str:
    """Train on a curated and on a random set, and return the commands with what the last one prints."""
    run = f"windrow run {STORE.parent}/windrow.yaml -s name=random -s selection.ranking=random"
    train = (
        f"python -m windrow.flows.demo.train_classifier {STORE}/curated/digits/v0001 "
        f"--against {STORE}/curated/random/v0001 --test {STORE.parent}/pool/test.parquet"
    )
    for words in (["-m", "windrow.flows.commands.cli", *run.split()[1:]], train.split()[1:]):
        shown = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout
    return f"```console\n$ {run}\n$ {train}\n{shown}```"


def hostile_page() -> str:
    """Return the page of hostile inputs, from the list that the tests go through."""
    sys.path.insert(0, "tests")
    from hostile_inputs import page

    return page()


def between(text: str, name: str, content: str) -> str:
    """Return `text` with what stands between two markers replaced."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def main() -> None:
    """Update HOSTILE.md and README.md; runs the demo."""
    HOSTILE.write_text(hostile_page())
    text = between(README.read_text(), "tables", table_reference())
    text = between(text, "demo", demo())
    # Before the training: it runs a random ranking, and a query is about the last run.
    text = QUERY.sub(lambda found: f"{found[1]}{answer(found['sql'])}{found[4]}", text)
    README.write_text(between(text, "training", training()))


if __name__ == "__main__":
    main()
