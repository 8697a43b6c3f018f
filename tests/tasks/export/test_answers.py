"""What only people can say: the file of answers, and what becomes of it in versions."""

from dataclasses import asdict
from pathlib import Path

import pytest
from small_export import export, make_selection

from windrow.tasks.config import ConfigError
from windrow.tasks.export.answers_file import read_answers, write_questions
from windrow.tasks.storage.published.card_answers import CardAnswers, questions, unanswered
from windrow.tasks.storage.published.versions import read_manifest
from windrow.tasks.storage.verify.verification import verify

NAMES = (
    *("purpose", "out_of_scope", "creators", "collection", "people_depicted", "consent", "sensitive_content"),
    *("annotation", "biases", "maintenance"),
)
NO_ANSWERS = ("", "  ", "\n\n", "TODO", "todo: ", "To do.", "TBD", "tbd!", "FIXME", "xxx", "?", "???", "-", "<TODO>")
ANSWERS = ("no", "None: it is of grain.", "n/a, as nobody is depicted", "todo lists are depicted", "2026")


def answered(text: str) -> CardAnswers:
    return CardAnswers(**dict.fromkeys(NAMES, text))


def test_there_are_ten_questions_each_a_question() -> None:
    assert tuple(questions()) == NAMES
    assert all(question.endswith("?") and "`" not in question for question in questions().values())


@pytest.mark.parametrize("text", NO_ANSWERS)
def test_what_stands_for_an_answer_is_none(text: str) -> None:
    assert tuple(unanswered(asdict(answered(text)))) == NAMES


@pytest.mark.parametrize("text", ANSWERS)
def test_what_says_anything_is_an_answer(text: str) -> None:
    assert unanswered(asdict(answered(text))) == []


def test_a_new_file_has_every_question_and_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "new" / "card.yaml"
    write_questions(path, "photos")
    assert all(f"# {question}\n{name}: |\n" in path.read_text() for name, question in questions().items())
    assert tuple(unanswered(asdict(read_answers(path)))) == NAMES
    with pytest.raises(FileExistsError):
        write_questions(path, "photos")


def test_answers_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    write_questions(path, "photos")
    text = path.read_text().replace("purpose: |\n  TODO", "purpose: |\n  Grain: [barley](x), *rye*.\n\n  Second: 1")
    text = text.replace("consent: |\n  TODO", "consent: no").replace("biases: |\n  TODO", "biases: 2026-01-01")
    path.write_text(text)
    answers = read_answers(path)
    assert answers.purpose == "Grain: [barley](x), *rye*.\n\nSecond: 1\n"
    assert (answers.consent, answers.biases, answers.maintenance) == ("no", "2026-01-01", "TODO\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("purpse: x", r"card.yaml: purpse: there is no such field; did you mean purpose\?"),
        ("purpose: [a, b]", r"card.yaml: purpose: wants text, got \['a', 'b'\]"),
        ("purpose: {a: b}", "card.yaml: purpose: wants text"),
        ("- purpose", "card.yaml: wants answers such as `purpose:`, got list"),
        ("purpose: a: b", "card.yaml, line 1: mapping values are not allowed here"),
        ("purpose: a\npurpose: b", "card.yaml, line 2: 'purpose' stands there twice"),
        ("purpose: \xff", "card.yaml, line 1: is no UTF-8 text"),
        ('purpose: "a\\0b"', "card.yaml: purpose: wants text without zeros"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=message):
        read_answers(path)


def test_no_file_and_an_empty_one_are_no_answers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"export\.card: there is no file .*none\.yaml; `windrow card` writes one"):
        read_answers(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_answers(tmp_path)
    (tmp_path / "card.yaml").write_text("# nothing yet\n")
    assert read_answers(tmp_path / "card.yaml") == read_answers(None) == CardAnswers()


def test_other_answers_are_a_new_version_of_the_same_shards_and_the_old_one_stays(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    first = export(store, rows)
    card = (first.path / "parquet" / "README.md").read_bytes()
    said = CardAnswers(purpose="To tell *barley* from rye.\n\nOnly that.", consent="TODO")
    second = export(store, rows, answers=said)
    assert (second.version, second.created) == ("v0002", True)
    assert export(store, rows, answers=said) == export(store, rows, answers=said)
    assert (first.path / "parquet" / "README.md").read_bytes() == card
    for layout in ("webdataset", "parquet"):
        text = (second.path / layout / "README.md").read_text()
        assert f"### Purpose\n\n*{questions()['purpose']}*\n\nTo tell *barley* from rye.\n\nOnly that.\n" in text
        missing = " ".join(text.partition("**Nobody has answered yet**: ")[2].partition(". ")[0].split())
        assert missing == ", ".join(name.replace("_", " ") for name in NAMES if name != "purpose")
    assert read_manifest(second.path)["config"]["card"] == asdict(said)
    shards = [*second.path.glob("webdataset/*.tar"), *second.path.glob("parquet/*.parquet")]
    assert shards and all(path.samefile(first.path / path.relative_to(second.path)) for path in shards)
    assert not verify(first.path).damage and not verify(second.path).damage
