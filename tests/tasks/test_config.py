"""Configs: every field has a default that works, and a wrong one is named."""

from dataclasses import asdict
from pathlib import Path

import pytest
from prefect.utilities.callables import parameter_schema

from windrow.flows.curation import curate
from windrow.flows.nightly import nightly
from windrow.tasks.config import ConfigError, CurationConfig, load_config, parse_config


def test_only_the_sources_must_be_said() -> None:
    config = parse_config({"sources": ["photos"]})
    assert config == CurationConfig(sources=("photos",))


def test_a_config_survives_the_way_through_plain_values() -> None:
    config = parse_config({"sources": ["a"], "selection": {"filters": [{"name": "big", "keep": "width > 8"}]}})
    assert parse_config(asdict(config)) == config


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "windrow.yaml"
    path.write_text("sources: [a]\nselection: {target_size: 5}\n")
    config = load_config(path, ["selection.target_size=7", "features.image_size=96", "clustering.n_clusters=[30, 3]"])
    assert (config.selection.target_size, config.features.image_size) == (7, 96)
    assert config.clustering.n_clusters == (30, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "wants fields"),
        ({"sources": []}, "sources: wants one or more"),
        ({"sources": [""]}, "sources: wants one or more"),
        ({"sources": ["a"], "store": ""}, "store: wants a folder"),
        ({"sources": ["a"], "stroe": "x"}, "stroe: there is no such field; did you mean store"),
        ({"sources": ["a"], "labels": {"policy": {"treshold": 1}}}, "labels.policy.treshold"),
        ({"sources": ["a"], "clustering": {"n_clusters": [3, 30]}}, "clustering.n_clusters"),
        ({"sources": ["a"], "executor": {"kind": "dask"}}, "executor.kind"),
        ({"sources": ["a"], "features": {"name": "resnet"}}, "'resnet'"),
        ({"sources": ["a"], "name": "my set"}, "name: wants letters"),
        ({"sources": ["a"], "selection": {"splits": [{"name": "train", "share": 0.7}]}}, "add up to 1"),
    ],
)
def test_what_is_wrong_is_named(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + message.replace("(", r"\(")):
        parse_config(values)


@pytest.mark.parametrize("flow", [curate, nightly])
def test_prefect_makes_its_form_from_the_config_and_coerces_what_it_is_given(flow) -> None:
    schema = parameter_schema(flow.fn).model_dump()
    assert "CurationConfig" in schema["definitions"]
    assert {"sources", "selection", "executor"} <= set(schema["definitions"]["CurationConfig"]["properties"])
    config = flow.validate_parameters({"config": {"sources": ["a"], "selection": {"target_size": "12"}}})["config"]
    assert config.selection.target_size == 12
