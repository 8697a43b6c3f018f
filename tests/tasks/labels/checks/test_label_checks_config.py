"""The settings of the label checks, as a user writes them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.aum import Aum
from windrow.tasks.algorithms.labels.checks.self_confidence import SelfConfidence
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig


def read(values: dict[str, Any]) -> LabelChecksConfig:
    return TypeAdapter(LabelChecksConfig).validate_python(values)


@pytest.mark.parametrize(
    ("values", "place", "message"),
    [
        ({"methods": ["aun"]}, ("methods", 0), "Input should be 'self_confidence'"),
        ({"methods": ["aum", "aum"]}, (), r"methods: names repeat: \['aum', 'aum'\]"),
        ({"method": ["aum"]}, ("method",), "Unexpected keyword argument"),
        ({"l2": 0}, ("l2",), "greater than 0"),
        ({"aum": {"percentile": 101}}, ("aum", "percentile"), "less than or equal to 100"),
        ({"aum": {"share": 1}}, ("aum", "share"), "Unexpected keyword argument"),
        ({"self_confidence": {}}, ("self_confidence",), "Unexpected keyword argument"),
        ({"noise_ignorant_probe": {"strengths": [1, 0]}}, ("noise_ignorant_probe", "strengths", 1), "greater than 0"),
        ({"probe_training": {"n_epochs": 9}}, ("probe_training",), "early_epoch: wants 0 to below the 9 epochs, got 9"),
        ({"probe_training": {"n_seeds": 0}}, ("probe_training", "n_seeds"), "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_told_with_its_place(values: dict[str, Any], place: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        read(values)
    assert caught.value.errors()[0]["loc"] == place


def test_every_method_with_settings_is_a_field_and_is_handed_them() -> None:
    config = read({"methods": ["aum", "cross_split"], "default": False, "aum": {"percentile": 90}})
    assert config == LabelChecksConfig(methods=("aum", "cross_split"), default=False, aum=Aum(90.0))
    assert config.check("aum") == Aum(90.0) and config.check("self_confidence") == SelfConfidence()
    assert [type(config.check(name)) for name in CHECKS] == list(CHECKS.values())
    own = {each.name for each in fields(LabelChecksConfig)} - {"default", "methods", "dynamics", "l2", "probe_training"}
    assert own == {name for name, kind in CHECKS.items() if fields(kind)}
    assert config.probe_training == ProbeTraining()
    with pytest.raises(ValueError, match=r"methods\.0: wants one of .*, got 'aun'"):
        LabelChecksConfig(methods=("aun",))
