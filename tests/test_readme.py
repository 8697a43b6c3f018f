"""README.md: its reference is the declarations', its queries answer as it says, and its config is one."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from workshop import Workshop

from windrow.flows.demo.demo import CONFIG
from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog, query

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

_spec = importlib.util.spec_from_file_location("update_readme", ROOT / ".ci" / "update_readme.py")
assert _spec is not None
assert _spec.loader is not None
update_readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(update_readme)
QUERIES = [(found["sql"], found["output"]) for found in update_readme.QUERY.finditer(README)]


def test_the_table_reference_is_what_the_schemas_declare() -> None:
    assert update_readme.between(README, "tables", update_readme.table_reference()) == README, "run `make docs`"


def test_there_are_five_queries() -> None:
    assert len(QUERIES) == 5


@pytest.mark.parametrize(("sql", "output"), QUERIES)
def test_every_query_is_answered_with_the_columns_that_it_shows(workshop: Workshop, sql: str, output: str) -> None:
    relation = query(open_catalog(workshop.store), sql)
    shown = [name.strip() for name in re.split("[┃│]", output.splitlines()[1])[1:-1]]
    assert relation.columns == shown
    assert relation.fetchall()


def test_the_config_it_shows_is_one() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    assert parse_config(yaml.safe_load(shown)).selection.target_size == 100_000


def test_the_demo_has_a_config_that_can_be_read() -> None:
    text = CONFIG.format(path="p", store="s", sources=["a"], target_size=7)
    assert parse_config(yaml.safe_load(text)).selection.target_size == 7


def test_every_folder_of_code_is_in_the_wheel() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        str(path.parent.relative_to(ROOT))
        for top in ("flows", "tasks", "schemas")
        for path in (ROOT / top).rglob("*.py")
    }
    assert set(settings["package-dir"].values()) == folders
    assert {name.removeprefix("windrow.").replace(".", "/") for name in settings["packages"]} == folders
    assert all((ROOT / folder / "py.typed").exists() for folder in folders)
