"""The form that Prefect makes of a flow's config, and what it takes."""

import pytest
from prefect.utilities.callables import parameter_schema

from windrow.flows.curation import curate
from windrow.flows.nightly import nightly


@pytest.mark.parametrize("flow", [curate, nightly])
def test_prefect_makes_its_form_from_the_config_and_coerces_what_it_is_given(flow) -> None:
    schema = parameter_schema(flow.fn).model_dump()
    assert "CurationConfig" in schema["definitions"]
    assert {"sources", "selection", "executor"} <= set(schema["definitions"]["CurationConfig"]["properties"])
    config = flow.validate_parameters({"config": {"sources": ["a"], "selection": {"target_size": "12"}}})["config"]
    assert config.selection.target_size == 12


@pytest.mark.parametrize("flow", [curate, nightly])
def test_the_form_carries_bounds_and_meanings_and_knows_no_other_fields(flow) -> None:
    definitions = parameter_schema(flow.fn).model_dump()["definitions"]
    share = definitions["SelectionConfig"]["properties"]["target_share"]
    assert (share["exclusiveMinimum"], share["maximum"]) == (0, 1)
    assert share["description"] == "of what is ranked, to select."
    for name in ("CurationConfig", "SelectionConfig", "Filter", "Split", "LabelsConfig", "ExportConfig"):
        assert definitions[name]["additionalProperties"] is False
