"""Labels as text: one line, trimmed, or none; and names that settings give."""

import pytest
from hostile_labels import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st

from windrow.schemas.texts.label_text import LONGEST, class_name, label_of
from windrow.schemas.texts.names import check_file_name, check_name, check_text

TEXT = st.text(st.characters(), max_size=40) | st.text("\n\r\0\t \x85\u2028\ufeff10.-NA", max_size=12)


@given(TEXT)
@example("\ufeff \ufeffcat\u200b ")
@example("a \x00 b")
@example("\x85NA\x85")
@example("\u202f1.0")
@example("1\x00.0")
def test_a_label_is_one_line_without_control_characters_and_stays_as_it_is(text: str) -> None:
    label = label_of(text)
    if label is None:
        return
    assert label.splitlines() == [label] and label == label.strip() and label.encode().decode() == label
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in label)
    assert label_of(label) == label and label_of(f"\n {label}\t\0") == label


@pytest.mark.parametrize("text", [text for text in HOSTILE if len(text) <= LONGEST])
def test_of_a_hostile_label_nothing_but_blanks_is_lost(text: str) -> None:
    label = label_of(text)
    assert (
        label is None
        or len(label) >= len([char for char in text.strip() if char.isprintable()]) - text.count("\u0301") - 2
    )


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *[("1.0", "1"), ("1.000", "1"), ("-1.0", "-1"), ("-0.0", "0"), ("-0", "0"), ("0.0", "0"), ("10", "10")],
        *[("1.", "1."), ("01.0", "01.0"), ("007", "007"), ("+1", "+1"), ("1e3", "1e3"), ("1,0", "1,0"), ("1.5", "1.5")],
        *[("True", "True"), ("none", "none"), ("na", "na"), ("NONE", "NONE"), ("-", "-"), ("٣.0", "٣.0")],
    ],
)
def test_whole_numbers_are_spelt_in_one_way_and_all_else_stays(text: str, label: str) -> None:
    assert label_of(text) == label


@pytest.mark.parametrize("text", ["x" * 1001, "x " * 10**6, " \n" * 10**6 + "x" * 1001])
def test_a_text_is_no_label_and_takes_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 1,000"):
        label_of(text)


def test_classes_that_settings_name_are_kept_as_labels_are() -> None:
    assert class_name("shares", " two\nlines ") == "two lines" and class_name("shares", 7) == "7"
    for name, message in [("NA", "shares: 'NA' is a spelling of 'no label'"), ("x" * 2000, "shares: 'x.* is longer")]:
        with pytest.raises(ValueError, match=message):
            class_name("shares", name)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1bb", "\u202ea", "x" * 101, "\ud800"])
def test_a_name_is_one_line_that_shows(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: wants"):
        check_name("name", name)
    with pytest.raises(ValueError, match=r"^name: wants"):
        check_file_name("name", name, r"\w", "letters, digits and _")


@pytest.mark.parametrize("name", ["a-b", "a.b", "é", "a/b", "..", "CON", "nul", "Lpt1", "x" * 300])
def test_a_name_of_files_is_one_on_every_system(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: wants"):
        check_file_name("name", name, r"\w", "letters, digits and _")


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "é\udfff"])
def test_a_text_that_nothing_can_store_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^store: wants text without"):
        check_text("store", text)
    check_text("store", "é 😀\n")
