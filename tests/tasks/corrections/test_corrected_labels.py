"""Corrections overrule what came with samples, and nobody else's word; refuted labels are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from user_file_pool import Seen, ingested

from windrow.schemas import CORRECTIONS, LABELS
from windrow.tasks.corrections.taken import abstain_where_refuted
from windrow.tasks.labels.given_labels import read_given

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
SEEN = (Seen(A, "1", label="cat"), Seen(B, "2", label="dog"), Seen(C, "3"))


def corrections(*rows: tuple[str, str, str, str | None]) -> pa.Table:
    names = ("sample_id", "kind", "who", "value")
    table = [dict(zip(names, row, strict=True), number=n) for n, row in enumerate(rows)]
    return pa.Table.from_pylist(table, CORRECTIONS.schema())


def given(folder: Path, source: str, rows: pa.Table) -> dict[str, Any]:
    table = read_given([source], ingested(folder, SEEN), corrections=rows).labels
    return {row["sample_id"][0]: row["label"] for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ([(A, "label", "ann", "lynx")], {"a": "lynx", "b": "dog"}),
        ([(C, "label", "ann", "lynx")], {"a": "cat", "b": "dog", "c": "lynx"}),
        ([(A, "wrong_label", "ann", "cat")], {"b": "dog"}),
        ([(A, "wrong_label", "ann", "lynx")], {"a": "cat", "b": "dog"}),
        ([(A, "label", "ann", "lynx"), (A, "label", "bob", "puma")], {"a": None, "b": "dog"}),
        ([(A, "label", "ann", "x"), (A, "label", "bob", "x"), (A, "label", "cid", "y")], {"a": "x", "b": "dog"}),
    ],
)
def test_people_overrule_what_came_with_samples(
    tmp_path: Path, rows: list[tuple[str, str, str, str | None]], labels: dict[str, str | None]
) -> None:
    assert given(tmp_path, "found", corrections(*rows)) == labels


def test_without_labels_of_their_own_samples_have_what_people_said(tmp_path: Path) -> None:
    assert given(tmp_path, "none", corrections((A, "label", "ann", "lynx"))) == {"a": "lynx"}


def test_a_person_overrules_their_own_word_in_a_file_and_votes_with_others(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"sample_id,label,annotator\n{A},cat,ann\n{A},puma,bob\n{A},puma,cid\n{B},dog,ann\n")
    assert given(tmp_path, str(path), corrections((B, "label", "ann", "wolf"))) == {"a": "puma", "b": "wolf"}


def test_refuted_labels_are_none_and_so_are_those_of_wrong_clusters() -> None:
    rows = [
        ("pseudo", A, "cat"),
        ("pseudo", B, "cat"),
        ("probe", A, "dog"),
        ("cluster_1", A, "7"),
        ("cluster_1", B, "7"),
    ]
    table = LABELS.build(
        {
            "sample_id": [sample for _, sample, _ in rows],
            "label_set": [name for name, *_ in rows],
            "label": [label for *_, label in rows],
            "classes": [["cat", "dog"]] * 5,
            "probabilities": [[0.9, 0.1]] * 5,
            "confidence": [0.9] * 5,
            "abstained": [False] * 5,
            "label_weight": [1.0] * 5,
            "annotator": ["model"] * 5,
            "method": ["m"] * 5,
            "round": [0] * 5,
        }
    )
    said = corrections((A, "wrong_label", "ann", "cat"), (B, "wrong_cluster", "ann", None))
    found = abstain_where_refuted(table, said)
    assert found["label"].to_pylist() == [None, "cat", "dog", "7", None]
    assert found["abstained"].to_pylist() == [True, False, False, False, True]
    assert found["label_weight"].to_pylist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    LABELS.validate(found)
    assert abstain_where_refuted(table, corrections()) is table
