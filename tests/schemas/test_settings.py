"""Settings: what is out of bounds is refused however they are made, and what fields mean is read from docstrings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval, Lt, MinLen
from pydantic import TypeAdapter, ValidationError

from windrow.schemas.settings import Settings, bounds, check_different
from windrow.schemas.texts.setting_words import kind_in_words, meanings, summary


@dataclass(frozen=True)
class Inner(Settings):
    """What is inside. It is small.

    `k`: neighbours asked.
    """

    k: Annotated[int, Ge(1)] = 20


@dataclass(frozen=True)
class Toy(Settings):
    """A toy.

    `names`: what it is called; never `nothing`: that is no name. `low`, `share`: of a thing.
    It tells its colour where `colour` is set; nothing else does.
    """

    names: Annotated[tuple[str, ...], MinLen(1)] = ("a",)
    low: Annotated[float, Interval(ge=0, lt=1)] | None = None
    share: tuple[Annotated[float, Lt(1)], ...] = ()
    colour: Literal["red", "blue"] = "red"
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"names": ()}, r"names: wants something, got \(\)"),
        ({"names": "abc"}, "names: wants a list, got 'abc'"),
        ({"low": 1}, "low: wants less than 1, got 1"),
        ({"low": float("nan")}, "low: wants 0 or more and less than 1, got nan"),
        ({"low": "much"}, "low: wants 0 or more and less than 1, got 'much'"),
        ({"share": (0.5, 2.0)}, r"share\.1: wants less than 1, got 2\.0"),
        ({"colour": "green"}, "colour: wants one of 'red', 'blue', got 'green'"),
    ],
)
def test_a_value_out_of_bounds_is_refused_when_settings_are_made_by_hand(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Toy(**values)


@dataclass(frozen=True)
class Worded(Settings):
    """A list, or a word in its place.

    `names`: of things.
    """

    names: tuple[str | int, ...] | Literal["all"] = ()


def test_a_word_may_stand_in_the_place_of_a_list_and_another_text_is_a_list_of_one() -> None:
    read = TypeAdapter(Worded).validate_python
    assert [read({"names": given}).names for given in ("all", "one", ["all"], None)] == ["all", ("one",), ("all",), ()]
    assert Worded("all").names == "all"
    with pytest.raises(ValueError, match="names: wants a list, got 'one'"):
        Worded("one")  # type: ignore[arg-type]


def test_none_is_fine_where_the_type_says_so() -> None:
    assert Toy(low=None) == Toy()


def test_pydantic_takes_an_empty_section_or_list_for_its_default_and_a_text_for_a_list_of_one() -> None:
    made = TypeAdapter(Toy).validate_python({"inner": None, "share": None, "names": "b"})
    assert made == Toy(names=("b",))


def test_pydantic_refuses_what_settings_do_not_know_and_true_for_a_number() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Toy).validate_python({"inner": {"j": 1}, "low": True})
    assert {error["loc"] for error in caught.value.errors()} == {("inner", "j"), ("low",)}


def test_the_schema_has_bounds_and_meanings_and_is_closed() -> None:
    schema = TypeAdapter(Toy).json_schema()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Inner"]["additionalProperties"] is False
    assert schema["$defs"]["Inner"]["properties"]["k"]["minimum"] == 1
    assert schema["$defs"]["Inner"]["properties"]["k"]["description"] == "neighbours asked."
    assert schema["description"] == "A toy."


def test_a_field_means_what_follows_its_name_or_else_the_sentence_that_names_it() -> None:
    assert meanings(Toy) == {
        "names": "what it is called; never `nothing`: that is no name.",
        "low": "of a thing. It tells its colour where `colour` is set; nothing else does.",
        "share": "of a thing. It tells its colour where `colour` is set; nothing else does.",
        "colour": "It tells its colour where `colour` is set;",
    }
    assert summary(Inner) == "What is inside."


def test_what_a_class_inherits_is_told_by_the_docstring_that_it_inherits_from() -> None:
    @dataclass(frozen=True)
    class Below(Inner):
        """Below. `k` is as above. `j`: of it."""

        j: int = 1

    assert meanings(Below) == {"k": "neighbours asked.", "j": "of it."}


def test_types_are_told_in_words() -> None:
    assert kind_in_words(tuple[float, ...] | None) == "a list of numbers or null"
    assert kind_in_words(Annotated[int, Ge(1)]) == "a whole number"
    assert kind_in_words(dict[str, bool]) == "a mapping of texts to true or false"
    assert bounds(Annotated[int, Interval(ge=1, lt=3)] | None) == [Ge(1), Lt(3)]


def test_values_that_repeat_are_refused_by_the_name_of_their_field() -> None:
    check_different("makers", ["a", "b"])
    with pytest.raises(ValueError, match=r"makers: wants each once, got \['a', 'a'\]"):
        check_different("makers", ["a", "a"])
