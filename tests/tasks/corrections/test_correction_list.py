"""What people say of samples is kept in its order, whatever two writers do at once; the last word counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.schemas import CORRECTIONS
from windrow.tasks.corrections.correction_list import (
    Correction,
    add_new,
    append_corrections,
    forget_corrections,
    read_corrections,
    read_standing,
    standing,
)
from windrow.tasks.storage.store.run_records import start_run

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def said(*rows: tuple[str, ...]) -> list[Correction]:
    """Corrections of (sample, kind, who, value or other sample)."""
    return [
        Correction(sample, kind, who, *(([None, *rest]) if kind == "not_a_duplicate" else rest))
        for sample, kind, who, *rest in rows
    ]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store without a run."""
    (tmp_path / "store" / "runs").mkdir(parents=True)
    return tmp_path / "store"


def stands(store: Path) -> list[tuple[str, str, str]]:
    return told(read_standing(store))


def told(table: Any) -> list[tuple[str, str, str]]:
    rows = table.to_pylist()
    return [(row["sample_id"], row["kind"], row["value"] or row["other_sample_id"] or "") for row in rows]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([(A, "label", "ann", "cat"), (A, "label", "ann", "dog")], [(A, "label", "dog")]),
        ([(A, "label", "ann", "cat"), (A, "label", "bob", "dog")], [(A, "label", "cat"), (A, "label", "dog")]),
        ([(A, "label", "ann", "cat"), (A, "wrong_label", "bob", "cat")], [(A, "wrong_label", "cat")]),
        ([(A, "wrong_label", "bob", "cat"), (A, "label", "ann", "cat")], [(A, "label", "cat")]),
        (
            [(A, "wrong_label", "bob", "cat"), (A, "wrong_label", "bob", "dog")],
            [(A, "wrong_label", "cat"), (A, "wrong_label", "dog")],
        ),
        ([(A, "keep", "ann"), (A, "drop", "bob")], [(A, "drop", "")]),
        ([(A, "keep", "ann"), (A, "undo", "bob")], [(A, "keep", "")]),
        ([(A, "keep", "ann"), (A, "undo", "ann")], []),
        ([(A, "keep", "ann"), (A, "label", "ann", "x"), (A, "undo", "ann", "keep")], [(A, "label", "x")]),
        ([(A, "not_a_duplicate", "ann", B), (B, "not_a_duplicate", "ann", A)], [(B, "not_a_duplicate", A)]),
        ([(A, "not_a_duplicate", "ann", B), (B, "undo", "ann")], []),
        ([(A, "not_a_duplicate", "ann", B), (A, "not_a_duplicate", "ann", C)][:1], [(A, "not_a_duplicate", B)]),
    ],
)
def test_the_last_word_counts(store: Path, rows: list[tuple[str, ...]], left: list[tuple[str, str, str]]) -> None:
    append_corrections(store, said(*rows))
    assert stands(store) == left


def test_of_samples_of_several_classes_a_label_takes_the_place_of_none_but_its_own_class(store: Path) -> None:
    append_corrections(
        store,
        said(
            *((A, "label", "ann", "cat"), (A, "label", "ann", "dog"), (A, "wrong_label", "ann", "cow")),
            *((B, "label", "ann", "cat"), (B, "wrong_label", "bob", "cat"), (B, "label", "ann", "dog")),
        ),
    )
    kept = [(A, "label", "cat"), (A, "label", "dog"), (A, "wrong_label", "cow")]
    assert told(standing(read_corrections(store), True)) == [*kept, (B, "wrong_label", "cat"), (B, "label", "dog")]
    assert told(standing(read_corrections(store), False))[:2] == kept[1:]


def ran(store: Path, name: str, kind: str) -> None:
    start_run(store, name, {"labels": {"kind": kind}}).finish("finished")


def test_samples_may_be_of_several_classes_where_they_are_in_the_last_run_of_any_set(store: Path) -> None:
    rows = said((A, "label", "ann", "cat"), (A, "label", "ann", "dog"))
    ran(store, "one", "single")
    append_corrections(store, rows)
    assert stands(store) == [(A, "label", "dog")]
    for last in (("many", "multi"), ("one", "single")):
        ran(store, *last)
        assert stands(store) == [(A, "label", "cat"), (A, "label", "dog")]
        assert add_new(store, rows) == []
    ran(store, "many", "single")
    assert stands(store) == [(A, "label", "dog")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sample_id": "A" * 32}, "sample_id: wants 32 digits"),
        ({"kind": "like"}, "kind: wants one of label, wrong_label, keep"),
        ({"value": None}, "value: label wants a class"),
        ({"value": "nan"}, "value: label wants a class"),
        ({"value": "x" * 1001}, "is longer than 1,000 characters"),
        ({"who": " "}, "who: wants a name"),
        ({"other_sample_id": B}, "other_sample_id: goes with not_a_duplicate"),
        ({"kind": "not_a_duplicate", "value": None, "other_sample_id": A}, "is the sample itself"),
        ({"kind": "keep"}, "value: keep has none"),
        ({"kind": "undo", "value": "cat"}, "value: undo wants one of label"),
        ({"why": "y" * 1001}, "why: is longer than"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: Mapping[str, Any], words: str) -> None:
    right: dict[str, Any] = {"sample_id": A, "kind": "label", "who": "ann", "value": "cat"}
    with pytest.raises(ValueError, match=words):
        Correction(**{**right, **wrong})


def test_a_class_is_kept_as_labels_are() -> None:
    assert Correction(A, "label", "ann", " 1.0 ").value == "1"


KINDS = st.sampled_from(["label", "wrong_label", "keep", "drop", "not_a_duplicate", "wrong_cluster", "undo"])


@given(
    st.lists(st.tuples(st.sampled_from([A, B]), KINDS, st.sampled_from("xy"), st.sampled_from("12")), max_size=12),
    st.booleans(),
)
def test_adding_what_stands_changes_nothing_and_all_undone_leaves_nothing(
    rows: list[tuple[str, ...]], several: bool
) -> None:
    def table(corrections: list[Correction]) -> Any:
        names = [column.name for column in CORRECTIONS.columns if column.name not in ("number", "added_at")]
        columns: dict[str, Any] = {name: [getattr(each, name) for each in corrections] for name in names}
        columns |= {"number": range(len(corrections)), "added_at": [None] * len(corrections)}
        return CORRECTIONS.schema().empty_table().from_pydict(columns)

    def one(sample: str, kind: str, who: str, value: str) -> Correction:
        other = {A: B, B: A}[sample] if kind == "not_a_duplicate" else None
        return Correction(sample, kind, who, value if kind.endswith("label") else None, other)

    every = [one(*row) for row in rows]
    names = ["sample_id", "kind", "who", "value", "other_sample_id"]
    once = standing(table(every), several).select(names).to_pylist()
    again = [Correction(**row) for row in once]
    assert standing(table(again), several).select(names).to_pylist() == once
    undone = [Correction(sample, "undo", who) for sample in (A, B) for who in "xy"]
    assert standing(table([*every, *undone]), several).num_rows == 0


def test_what_stands_is_not_added_again(store: Path) -> None:
    rows = said((A, "label", "ann", "cat"), (B, "drop", "ann"))
    assert add_new(store, rows) == rows
    assert add_new(store, rows) == []
    assert add_new(store, said((A, "label", "ann", "dog"))) == said((A, "label", "ann", "dog"))
    assert read_corrections(store)["number"].to_pylist() == [0, 1, 2]


ADDING = """
import sys
from pathlib import Path
from windrow.tasks.corrections.correction_list import Correction, append_corrections
for n in range(20):
    append_corrections(Path(sys.argv[1]), [Correction(f"{n:032x}", "label", sys.argv[2], str(n))] * 2)
"""


def test_two_writers_at_once_lose_nothing(store: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", ADDING, str(store), who]) for who in ("ann", "bob")]
    assert [writer.wait() for writer in writers] == [0, 0]
    table = read_corrections(store)
    assert table["number"].to_pylist() == list(range(80))
    rows = table.to_pylist()
    assert [row["who"] for row in rows[::2]] == [row["who"] for row in rows[1::2]]  # each pair is whole
    for who in ("ann", "bob"):
        assert [row["value"] for row in rows if row["who"] == who] == [str(n) for n in range(20) for _ in range(2)]


def test_what_was_said_of_a_forgotten_sample_is_gone_and_numbers_stay(store: Path) -> None:
    append_corrections(store, said((A, "label", "ann", "cat"), (B, "label", "ann", "dog")))
    append_corrections(store, said((C, "not_a_duplicate", "ann", A)))
    forget_corrections(store, [A])
    rows = read_corrections(store).to_pylist()
    assert [row["kind"] for row in rows] == ["forgotten", "label", "forgotten"]
    assert A not in str(rows) and C not in str(rows)
    assert append_corrections(store, said((B, "keep", "ann"))) == 3


def test_a_folder_that_is_no_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no store"):
        append_corrections(tmp_path, said((A, "keep", "ann")))
