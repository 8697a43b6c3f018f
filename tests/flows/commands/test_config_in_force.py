"""`windrow config`: what is in force, where it comes from, and the schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from windrow.flows.commands.cli import app
from windrow.flows.commands.config_in_force import config_in_force
from windrow.tasks.config import load_config, parse_config
from windrow.tasks.config_yaml import ConfigError, parse_yaml
from windrow.tasks.settings_reference import settings_reference

TEXT = (
    "sources: [/a]\nlabels: {conformal: {most: 3}}\nselection: {filters: [{name: a, keep: \"mode = 'L'\"}]}\nhashes:\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "windrow.yaml"
    path.write_text(TEXT)
    return path


def test_what_is_printed_is_the_config_in_force(path: Path) -> None:
    overrides = ["seed=7", "selection.filters.1={name: '1e5', keep: x}", "clustering.n_clusters=[30, 3]"]
    printed = config_in_force(path, overrides)
    assert parse_config(parse_yaml(printed.encode(), "x")) == load_config(path, overrides)


def test_a_mistake_is_told(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"selection\.filters\.0\.name: wants text, got 100000\.0"):
        config_in_force(path, ["selection.filters.0.name=1e5"])


def test_every_value_says_where_it_comes_from_and_what_it_means(path: Path) -> None:
    lines = config_in_force(path, ["seed=7", "selection.filters.0.keep=height > 3"]).splitlines()
    for line in ("seed: 7  # --set", "sources: [/a]  # file", "name: curated  # default", "    most: 3  # file"):
        assert line in lines
    for line in ("  max_distance: 6  # default", "      keep: height > 3  # --set", "      name: a  # file"):
        assert line in lines
    told = " ".join(line.strip().removeprefix("# ") for line in lines if line.strip().startswith("#"))
    none = ("scores.N", "selection.parts.N", "selection.caps.N", "labels.multi.cdul.")  # of this config
    for setting in settings_reference():
        if not setting.place.startswith(none):
            assert setting.meaning in told, setting.place


def test_the_command_prints_it_and_the_schema(path: Path) -> None:
    assert yaml.safe_load(CliRunner().invoke(app, ["config", str(path), "-s", "seed=3"]).stdout)["seed"] == 3
    schema = json.loads(CliRunner().invoke(app, ["config", "schema"]).stdout)
    assert schema["properties"]["seed"] == {
        "default": 0,
        "description": "of every random choice.",
        "minimum": 0,
        "title": "Seed",
        "type": "integer",
    }
    assert schema["additionalProperties"] is False


def test_reading_a_config_loads_none_of_what_a_run_needs() -> None:
    heavy = ("torch", "faiss", "scipy", "prefect", "pyarrow", "duckdb", "sklearn", "transformers", "ray")
    code = f"import sys, windrow.flows.commands.config_in_force; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
