"""Configs: every field has a default that works, and a wrong one is named."""

import re
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_origin

import pytest

from windrow.schemas.settings import Settings, bare, hints
from windrow.tasks.config import CurationConfig, load_config, parse_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.settings_reference import section_of


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
        ({"sources": []}, "sources: wants something"),
        ({"sources": [""]}, "sources.0: wants something"),
        ({"sources": ["a"], "store": ""}, "store: wants a folder"),
        ({"sources": ["a"], "stroe": "x"}, "stroe: there is no such field; did you mean store"),
        ({"sources": ["a"], "labels": {"policy": {"treshold": 1}}}, "labels.policy.treshold"),
        ({"sources": ["a"], "clustering": {"n_clusters": [3, 30]}}, "clustering.n_clusters"),
        ({"sources": ["a"], "executor": {"kind": "dask"}}, "executor.kind"),
        ({"sources": ["a"], "features": {"name": "resnet"}}, "'resnet'"),
        ({"sources": ["a"], "labels": {"top_k": 0}}, "labels.top_k: wants 1 or more, got 0"),
        ({"sources": ["a"], "selection": {"target_share": 2}}, "selection.target_share: wants 1 or less, got 2"),
        (
            {"sources": ["a"], "selection": {"target_size": "abc"}},
            "selection.target_size: wants a whole number, got 'abc'",
        ),
        ({"sources": ["a"], "selection": {"target_size": 1.5}}, "selection.target_size: wants a whole number, got 1.5"),
        ({"sources": ["a"], "seed": True}, "seed: wants a whole number, got true"),
        (
            {"sources": ["a"], "selection": 3},
            "selection: wants fields such as `target_size:` and `target_share:`, got 3",
        ),
        ({"sources": ["a"], "selection": {"splits": [{"share": 1}]}}, "selection.splits.0.name: wants a value"),
        (
            {"sources": ["a"], "export": {"formats": "zip"}},
            "export.formats: wants one of 'webdataset', 'parquet', got 'zip'",
        ),
        ({"sources": ["a"], "executor": {"address": "h:1"}}, "executor.address: only Ray has one, got 'h:1'"),
        ({"sources": ["a", 7]}, "sources.1: wants text, got 7"),
        ({"sources": ["a"], "name": "my set"}, "name: wants letters"),
        ({"sources": ["a"], "selection": {"splits": [{"name": "train", "share": 0.7}]}}, "add up to 1"),
    ],
)
def test_what_is_wrong_is_named(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config(values)


def test_a_list_that_is_left_empty_is_named_once() -> None:
    with pytest.raises(ConfigError, match=r"^sources: wants a value, and has no default$"):
        parse_config({"sources": None})


def test_everything_that_is_wrong_is_told_at_once_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "windrow.yaml"
    path.write_text("sources: a\nseed: -1\nselection: {filters: [{name: a, kep: x}], target_size: x}\nhashes: {2: 3}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert sorted(str(caught.value).splitlines()) == [
        f"{path}: hashes.2: there is no such field; known are max_distance",
        f"{path}: seed: wants 0 or more, got -1",
        f"{path}: selection.filters.0.keep: wants a value, and has no default",
        f"{path}: selection.filters.0.kep: there is no such field; did you mean selection.filters.0.keep?",
        f"{path}: selection.target_size: wants a whole number, got 'x'",
    ]


def sections(kind: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every dataclass of a config and its place, an item of a list being the first."""
    yield place, kind
    for field in fields(kind):
        hint = hints(kind)[field.name]
        inner = section_of(hint)
        if inner:
            yield from sections(inner, (*place, field.name, *([0] if get_origin(bare(hint)) is tuple else [])))


SECTIONS = [each for each in sections(CurationConfig) if issubclass(each[1], Settings)]


@pytest.mark.parametrize(("place", "kind"), SECTIONS, ids=[".".join(map(str, place)) for place, _ in SECTIONS])
def test_an_unknown_field_is_refused_at_every_depth(place: tuple[str | int, ...], kind: Any) -> None:
    typo = f"{fields(kind)[0].name}x"
    values: Any = {typo: 1}
    for part in reversed(place):
        values = [values] if part == 0 else {part: values}
    with pytest.raises(ConfigError) as caught:
        parse_config({"sources": ["a"], **values})
    above = "".join(f"{part}." for part in place)
    assert f"{above}{typo}: there is no such field; did you mean {above}{fields(kind)[0].name}?" in str(caught.value)


@pytest.mark.parametrize("name", [place[0] for place, _ in SECTIONS if len(place) == 1])
def test_an_empty_section_is_its_defaults(name: str) -> None:
    assert parse_config({"sources": ["a"], name: None}) == parse_config({"sources": ["a"]})


def test_one_source_needs_no_list() -> None:
    assert parse_config({"sources": "/data"}).sources == ("/data",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x" * 300}, "name: wants at most 100 characters, got 300"),
        ({"name": "con"}, "name: wants another name, as Windows keeps 'con' for a device"),
        ({"name": "a.b"}, "name: wants letters, digits, - and _, got 'a.b'"),
        ({"selection": {"splits": [{"name": "a b", "share": 1}]}}, "selection.splits.0.name: wants letters, digits"),
        ({"selection": {"splits": [{"name": "../x", "share": 1}]}}, "selection.splits.0.name: wants letters, digits"),
        ({"selection": {"splits": [{"name": "é", "share": 1}]}}, "selection.splits.0.name: wants letters, digits"),
        ({"selection": {"splits": [{"name": "x" * 300, "share": 1}]}}, "selection.splits.0.name: wants at most 100"),
        ({"selection": {"splits": [{"name": "all", "share": 1}]}}, "selection.splits.0.name: wants another name"),
        (
            {"selection": {"splits": [{"name": "a", "share": 0.5}, {"name": "A", "share": 0.5}]}},
            "selection.splits: wants each once",
        ),
        (
            {"selection": {"filters": [{"name": "a\nb", "keep": "true"}]}},
            "selection.filters.0.name: wants a name in one",
        ),
        ({"selection": {"parts": [{"name": "\x1b[1m"}]}}, "selection.parts.0.name: wants a name in one line"),
        ({"export": {"license": "a\nb"}}, "export.license: wants a name in one line"),
        (
            {"export": {"label_set": "prediction"}},
            "export.label_set: wants one of pseudo, most_probable, given, propagation, .*cluster_9",
        ),
        (
            {"export": {"label_set": "cluster_3"}, "clustering": {"n_clusters": [9, 3]}},
            "export.label_set: wants one of",
        ),
        ({"store": "a\0b"}, "store: wants text without zeros"),
        ({"labels": {"prior": {"method": "given", "shares": {"NA": 1}}}}, "labels.prior.shares: 'NA' is a spelling"),
        (
            {"labels": {"settings": {"zero_shot": {"class_names": ["x" * 1001]}}}},
            "class_names: .* is longer than 1,000",
        ),
    ],
)
def test_what_would_be_refused_at_the_end_is_refused_when_it_is_read(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({"sources": ["a"], **values})


def test_classes_in_settings_are_spelt_as_labels_are() -> None:
    labels = {
        "prior": {"method": "given", "shares": {1.0: 3, " wild\ncat ": 2}},
        "settings": {"zero_shot": {"class_names": {" a\tb": "a thing"}}},
    }
    config = parse_config({"sources": ["a"], "labels": labels}).labels
    assert config.prior.shares == {"1": 3, "wild cat": 2}
    assert config.settings.zero_shot.class_names == {"a b": "a thing"}
    for name in ("given", "most_probable", "cluster_2", "propagation", "smoothed_1"):
        assert parse_config({"sources": ["a"], "export": {"label_set": name}}).export.label_set == name
