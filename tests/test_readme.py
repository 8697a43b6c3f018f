"""The config that README.md shows, the demo's, and what goes into the wheel."""

import re
from pathlib import Path

import yaml

from windrow.flows.config import parse_config
from windrow.flows.demo.demo import CONFIG

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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
