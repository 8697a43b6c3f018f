"""Config files: YAML as people write it, paths from where the file lies, and one clear line for what cannot be read."""

import os
from pathlib import Path

import pytest
import yaml

from windrow.tasks.config import CurationConfig, load_config
from windrow.tasks.config_yaml import ConfigError, YamlText, parse_yaml


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "windrow.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e5", 1e5), ("1E+5", 1e5), ("-1.5e-3", -1.5e-3), (".5e1", 5.0), ("5.e1", 50.0), ("2024-01-31", "2024-01-31")],
)
def test_numbers_are_those_of_yaml_1_2_and_a_date_is_text(text: str, value: object) -> None:
    assert parse_yaml(text.encode(), "x") == value


@pytest.mark.parametrize("text", ["1e5", "e5", "1e", "0x1e5", "2024-01-31", "yes", "1_0"])
def test_a_text_is_written_so_that_it_is_read_as_that_text(text: str) -> None:
    assert parse_yaml(yaml.dump(text, Dumper=YamlText).encode(), "x") == text


def test_a_size_may_be_written_as_1e5(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "sources: a\nselection: {target_size: 1e5}\n"))
    assert config.selection.target_size == 100_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": wants fields such as `sources:` and `store:`, got an empty file"),
        ("- a", ": wants fields such as `sources:` and `store:`, got list"),
        ("a: 1\nb: 2\na: 3", ", line 3: 'a' stands there twice"),
        ("selection:\n  seed: 1\n  seed: 2", ", line 3: 'seed' stands there twice"),
        ("a: 1\n~: 2", ", line 2: '~' is no name of a field"),
        ("selection: {null: 2}", ", line 1: 'null' is no name of a field"),
        ("a: 1\nb: [", ", line 2: expected the node content, but found '<stream end>'"),
        ("a: 1\nb: c: d", ", line 2: mapping values are not allowed here"),
        (b"a: 1\nb: \xe9t\xe9\n", ", line 2: is no UTF-8 text (invalid continuation byte)"),
        ("a: 1\nb: \x00", ", line 2: has a character that YAML forbids, '\\x00'"),
        ("a: !!int abc", ", line 1: 'abc' is no int"),
        ("a: 1\n---\nb: 2", ", line 2: expected a single document in the stream, but found another document"),
        ("[" * 5000, ": is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    assert load_config(written(tmp_path, "sources: /é".encode(encoding))).sources == ("/é",)


def test_a_file_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "windrow.yaml").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="there is no file"):
        load_config(tmp_path / "none.yaml")


def test_set_reaches_into_lists_and_empty_sections_and_reads_yaml(tmp_path: Path) -> None:
    path = written(tmp_path, "sources: [/a, /b]\nhashes:\nselection: {filters: [{name: a, keep: width > 8}]}\n")
    overrides = ["selection.filters.0.keep=height > 3", "selection.filters.1={name: b, keep: x}", "sources.1=/c"]
    config = load_config(path, [*overrides, "hashes.max_distance=4", "selection.target_size=1e3"])
    assert [rule.keep for rule in config.selection.filters] == ["height > 3", "x"]
    assert config.sources == ("/a", "/c")
    assert (config.hashes.max_distance, config.selection.target_size) == (4, 1000)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set wants FIELD=VALUE, got 'seed'"),
        (".=1", "--set wants FIELD=VALUE, got '.=1'"),
        ("seed.x=1", "--set seed.x=1: nothing is below 3, so there is no x"),
        ("sources.2=a", "--set sources.2=a: wants the number of an item, 0 to 1, got '2'"),
        ("seed=[", "--set seed, line 1: "),
        ("sede=1", "sede: there is no such field; did you mean seed?"),
    ],
)
def test_a_set_that_cannot_be_is_told(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, "sources: [/a]\nseed: 3\n"), [override])
    assert message in str(caught.value)


PATHS = """
sources: [pool, ../loose/*.jpg, "list:lists/*.csv", s3://bucket/a, "python:mine:Source:x", /data, ~/mine, file:///x]
store: store
features: {name: "export:net.pt2"}
labels: {given: labels.csv, distances: far.csv, checks: {dynamics: ./run.parquet}}
ingest: {fetch: {ca_file: ca.pem}}
scores: [{name: a, model: models/a, classes: [b]}]
"""


def moved(config: CurationConfig) -> list[str | None]:
    labels = config.labels
    named = [config.store, config.features.name, labels.given[0], labels.distances, labels.checks.dynamics]
    return [*config.sources, *named, config.ingest.fetch.ca_file, config.scores[0].model]


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "conf", PATHS)
    monkeypatch.chdir(tmp_path)
    sources = ["conf/pool", "loose/*.jpg", "list:conf/lists/*.csv", "s3://bucket/a", "python:mine:Source:x"]
    sources += ["/data", "~/mine", "file:///x"]
    others = ["conf/store", "export:conf/net.pt2", "conf/labels.csv", "conf/far.csv", "conf/run.parquet"]
    assert moved(load_config(path)) == [*sources, *others, "conf/ca.pem", "conf/models/a"]
    assert load_config(Path("conf/windrow.yaml")) == load_config(path)
    monkeypatch.chdir("conf")
    assert load_config(path).sources[:3] == ("pool", "../loose/*.jpg", "list:lists/*.csv")  # as they are written
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_config(path).store == str(tmp_path / "conf/store")


def test_what_is_said_outside_the_file_starts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "conf", "sources: pool\n")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("conf/windrow.yaml"), ["labels.given=labels.csv"])
    assert (config.sources, config.labels.given, config.store) == (("conf/pool",), ("labels.csv",), "data/store")


def test_a_word_that_is_no_path_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, wanted in {
        "patches": "patches",
        "hf:org/model": "hf:org/model",
        "hf:mine": "hf:conf/mine",
        "hf:./none": "hf:conf/none",
        "open_clip:ViT-B-32/openai": "open_clip:ViT-B-32/openai",
        "open_clip:ViT-B-32/w.pt": "open_clip:ViT-B-32/conf/w.pt",
        "timm:resnet18": "timm:resnet18",
    }.items():
        path = written(tmp_path / "conf", f"sources: /a\nfeatures: {{name: '{name}'}}\n")
        (tmp_path / "conf/mine").mkdir(exist_ok=True)
        (tmp_path / "conf/w.pt").touch()
        config = load_config(path)
        assert (config.features.name, config.labels.given) == (wanted, ("found",))


def test_a_folder_that_looks_like_a_glob_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "conf[1]", "sources: [pool, '*.tar']\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(path).sources == ("conf[1]/pool", "conf[[]1]/*.tar")


def test_two_dots_behind_a_link_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "real/deep", "sources: ../pool\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/conf").symlink_to(tmp_path / "real/deep")
    monkeypatch.chdir(tmp_path / "work")
    (source,) = load_config(Path("conf/windrow.yaml")).sources
    assert os.path.realpath(source) == str(tmp_path / "real/pool")
