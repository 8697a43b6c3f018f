"""The reference: every setting is in it, with a meaning."""

from dataclasses import MISSING, dataclass

import pytest

from windrow.schemas.settings import Settings
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.settings_reference import settings_reference

OPTIONAL = ("labels.conformal.", "labels.multi.cdul.")
"""Sections that are null by default."""
REFERENCE = {setting.place: setting for setting in settings_reference()}


def test_every_setting_has_a_meaning_and_a_kind() -> None:
    assert len(REFERENCE) > 200
    assert all(len(setting.meaning) > 4 and setting.kind for setting in REFERENCE.values())


def test_a_setting_is_told_with_its_bounds_and_default() -> None:
    share = REFERENCE["selection.target_share"]
    assert (share.kind, share.bounds, share.default) == ("a number", "more than 0 and 1 or less", 0.5)
    assert REFERENCE["sources"].default is MISSING
    assert REFERENCE["selection.filters.N.keep"].meaning.startswith("a SQL predicate")
    assert REFERENCE["labels.conformal"].kind == "a section or null"
    assert [REFERENCE[place].is_section for place in ("labels", "labels.conformal", "seed")] == [True, False, False]


def test_the_defaults_are_those_of_the_config() -> None:
    config = parse_config({"sources": ["a"]})
    for place, setting in REFERENCE.items():
        if "N" in place.split(".") or place == "sources" or place.startswith(OPTIONAL):
            continue
        value: object = config
        for part in place.split("."):
            value = getattr(value, part)
        assert value == setting.default, place


def test_a_setting_without_a_meaning_fails() -> None:
    @dataclass(frozen=True)
    class Silent(Settings):
        """Says nothing of its field."""

        k: int = 1

    with pytest.raises(ValueError, match="Silent: its docstring says nothing of `k`"):
        list(settings_reference(Silent))
    assert next(settings_reference(CurationConfig)).place == "sources"
