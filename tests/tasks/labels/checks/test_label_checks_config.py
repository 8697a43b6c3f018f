"""The settings of the label checks, as a user writes them."""

from __future__ import annotations

from typing import Any

import pytest

from windrow.tasks.config import ConfigError, parse_config
from windrow.tasks.labels.checks.check_settings import ConfidentLearningConfig, ProbeTrainingConfig
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"methods": ["aun"]}, r"labels\.checks\.methods\.0: wants one of 'self_confidence'"),
        ({"methods": ["aum", "aum"]}, r"labels\.checks\.methods: names repeat: \['aum', 'aum'\]"),
        ({"method": ["aum"]}, r"labels\.checks\.method: there is no such field; did you mean labels\.checks\.methods"),
        ({"l2": 0}, r"labels\.checks\.l2: wants a number above 0, got 0"),
        ({"aum": {"percentile": 101}}, r"labels\.checks\.aum\.percentile: wants 0 to 100, got 101"),
        ({"aum": {"share": 1}}, r"labels\.checks\.aum\.share: there is no such field; known are percentile"),
        ({"neighbor_agreement": {"k": 0}}, r"labels\.checks\.neighbor_agreement\.k: wants 1 or more, got 0"),
        ({"neighbor_agreement": {"temperature": 0}}, r"neighbor_agreement\.temperature: wants a number above 0"),
        ({"noise_ignorant_probe": {"strengths": []}}, r"noise_ignorant_probe\.strengths: wants numbers above 0"),
        ({"linear_separation": {"l2": -1}}, r"linear_separation\.l2: wants a number above 0, got -1"),
        ({"long_tail_calibration": {"n_donors": 0}}, r"long_tail_calibration\.n_donors: wants 1 or more"),
        ({"long_tail_calibration": {"outlier_share": 0.6}}, r"outlier_share: wants 0 to 0\.5, got 0\.6"),
        ({"probe_training": {"n_epochs": 9}}, r"probe_training\.early_epoch: wants 0 to below the 9 epochs, got 9"),
        ({"probe_training": {"n_seeds": 0}}, r"probe_training\.n_seeds: wants 1 or more, got 0"),
        ({"early_learning": {"beta": 1}}, r"early_learning\.beta: wants 0 to below 1, got 1"),
    ],
)
def test_a_mistake_in_the_config_is_told_in_one_line_with_its_field(checks: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config({"sources": ["pool"], "labels": {"checks": checks}})
    assert "\n" not in str(caught.value)


def test_the_old_names_are_refused_and_the_new_ones_read() -> None:
    for name in ("check_given", "dynamics"):
        with pytest.raises(ConfigError, match=rf"labels\.{name}: there is no such field"):
            parse_config({"sources": ["pool"], "labels": {name: None}})
    checks = {"methods": ["aum", "cross_split"], "default": False, "probe_training": {"n_epochs": 20}}
    config = parse_config({"sources": ["pool"], "labels": {"checks": checks}}).labels.checks
    training = ProbeTrainingConfig(n_epochs=20)
    assert config == LabelChecksConfig(methods=("aum", "cross_split"), default=False, probe_training=training)
    for made, message in (
        (lambda: LabelChecksConfig(methods=("aun",)), "got 'aun'"),  # type: ignore[arg-type]
        (lambda: ConfidentLearningConfig("none"), "confident_learning.pruning: wants one of"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=message):
            made()
