"""`windrow card`: the questions, what is missing, and what a run makes of the answers."""

from pathlib import Path

import pytest
import yaml
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.flows.commands.cli import app
from windrow.tasks.config import ConfigError, load_config
from windrow.tasks.pipeline import check_places
from windrow.tasks.storage.published.card_answers import questions
from windrow.tasks.storage.published.versions import latest_version, read_manifest

CONFIG = """\
name: photos
store: store
sources: [pool]
features: {name: patches}
clustering: {n_clusters: [2], n_rounds: 1}
selection: {target_size: 100, drop_near_duplicates: false}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "pool").mkdir()
    for seed in range(4):
        (tmp_path / "pool" / f"{seed}.png").write_bytes(png(stripes(seed)))
    (tmp_path / "windrow.yaml").write_text(CONFIG)
    return tmp_path / "windrow.yaml"


def card(*arguments: object) -> int:
    """Run the command and return its exit code."""
    return app(["card", *map(str, arguments)], standalone_mode=False) or 0


def test_check_names_every_field_that_is_empty_and_fails_until_none_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> str:
        return capsys.readouterr().out

    def named(text: str) -> list[str]:
        return [name for name in questions() if f": {name} is empty: " in text]

    assert card(config, "--check") == 1
    first = told()
    assert named(first) == list(questions()) and "export.card names no file of answers" in first
    answers = config.parent / "card.yaml"
    assert not answers.exists()
    assert card(config) == 0
    assert "add `export: {card: card.yaml}`" in told() and answers.exists()
    config.write_text(f"{CONFIG}export: {{card: card.yaml}}\n")
    assert card(config, "--check") == 1 and named(told()) == list(questions())
    answers.write_text(answers.read_text().replace("consent: |\n  TODO", "consent: |\n  All have agreed."))
    assert card(config, "--check") == 1 and "consent" not in named(told())
    before = answers.read_text()
    assert card(config) == 0 and answers.read_text() == before  # what people wrote stays
    told()
    answers.write_text(before.replace("TODO", "Said."))
    assert card(config, "--check") == 0
    assert told() == f"{answers}: 10 of 10 are answered\n"


def test_a_run_takes_the_answers_in_and_a_later_one_what_has_changed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f"{CONFIG}export: {{card: answers/photos.yaml}}\n")
    with pytest.raises(ConfigError, match=r"no file .*photos\.yaml; `windrow card` writes one"):
        check_places(load_config(config))
    assert card(config) == 0
    store, answers = config.parent / "store", config.parent / "answers" / "photos.yaml"
    curate_inline(load_config(config))
    first = latest_version(store, "photos")
    assert first is not None and card(first.path, "--check") == 1
    answers.write_text(answers.read_text().replace("TODO", "Said by people."))
    capsys.readouterr()
    assert card(config, "--check") == 0
    assert "photos v0001 has other answers: the next `windrow run` publishes these" in capsys.readouterr().out
    curate_inline(load_config(config))
    second = latest_version(store, "photos")
    assert second is not None and (second.version, card(second.path, "--check")) == ("v0002", 0)
    assert (second.path / "parquet" / "README.md").read_text().count("Said by people.") == 10
    [shard] = second.path.glob("webdataset/*.tar")
    assert shard.samefile(first.path / shard.relative_to(second.path))
    config.write_text(config.read_text().replace("target_size: 100", "target_size: 2"))
    curate_inline(load_config(config))
    third = latest_version(store, "photos")
    assert third is not None and third.n_samples == 2
    assert read_manifest(third.path)["config"]["card"] == read_manifest(second.path)["config"]["card"]


def test_names_of_classes_go_to_classes_that_are_numbers(config: Path) -> None:
    (config.parent / "labels.csv").write_text("key,label\n0.png,0\n1.png,1\n")
    text = (
        CONFIG + "labels: {given: labels.csv}\nexport: {label_set: given, class_names: {0: barley, 1: 'rye, wild'}}\n"
    )
    config.write_text(text)
    curate_inline(load_config(config))
    version = latest_version(config.parent / "store", "photos")
    assert version is not None
    text = (version.path / "parquet" / "README.md").read_text()
    features = {
        feature["name"]: feature for feature in yaml.safe_load(text.split("---\n")[1])["dataset_info"]["features"]
    }
    assert features["label"]["dtype"]["class_label"]["names"] == {"0": "barley", "1": "rye, wild"}
    assert "| class | name | images |\n|---|---|---:|\n| 0 | barley | 1 |\n| 1 | rye, wild | 1 |\n" in text
    (config.parent / "labels.csv").write_text("key,label\n0.png,oats\n1.png,1\n")
    with pytest.raises(ValueError, match=r"export\.class_names: wants classes that are numbers, but one is 'oats'"):
        curate_inline(load_config(config))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("{-1: x}", "class_names: wants names that are no numbers, of 0 and up, got -1: 'x'"),
        ("{0: '1'}", "class_names: wants names that are no numbers"),
        ("{0: x, 1: x}", "class_names: wants each once"),
        ("{0: ' '}", "class_names.0: wants a name in one line"),
        ("{cat: x}", "class_names"),
    ],
)
def test_names_of_classes_that_would_mislead_are_refused(config: Path, names: str, message: str) -> None:
    config.write_text(f"{CONFIG}export: {{class_names: {names}}}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(config)
