"""Columns of a pool become one array whose texts end in 64 bits, at any size, and tables of it end in 32 again."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.schemas import EMBEDDINGS, LABELS, REGISTRY
from windrow.schemas import table as table_module
from windrow.tasks.storage.files.whole_columns import whole, wide

WIDE = {
    pa.string(): pa.large_string(),
    pa.binary(): pa.large_binary(),
    pa.list_(pa.string()): pa.large_list(pa.large_string()),
    pa.int64(): pa.int64(),
    pa.list_(pa.int32()): pa.list_(pa.int32()),
    pa.list_(pa.float16(), 3): pa.list_(pa.float16(), 3),
    pa.bool_(): pa.bool_(),
}


@pytest.mark.parametrize("kind", WIDE, ids=str)
@pytest.mark.parametrize("n_chunks", [0, 1, 3])
def test_a_column_is_one_array_of_the_wide_type_however_many_parts_it_has(kind: pa.DataType, n_chunks: int) -> None:
    column = pa.chunked_array([pa.nulls(2, kind)] * n_chunks, kind)
    found = whole(column)
    assert (found.type, len(found), found.null_count) == (WIDE[kind], 2 * n_chunks, 2 * n_chunks)
    assert wide(pa.table({"x": column})).schema.field("x").type == WIDE[kind]


@given(st.lists(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=4), max_size=4))
def test_its_values_stay(parts: list[list[str | None]]) -> None:
    column = pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string())
    assert whole(column).to_pylist() == column.to_pylist()
    assert wide(pa.table({"x": column}))["x"].to_pylist() == column.to_pylist()


def test_more_text_than_32_bits_can_tell_the_ends_of_is_put_together_and_taken_from() -> None:
    """2,100 rows of a mebibyte, all of one buffer: `combine_chunks` raises here, and `take` did."""
    mebibyte = pa.array(["x" * 2**20])
    part = pa.DictionaryArray.from_arrays(pa.array(np.zeros(300, np.int32)), mebibyte).cast(pa.string())
    column = pa.chunked_array([part] * 7)
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        column.combine_chunks()
    found = whole(column)
    assert len(found) == 2100 and found.type == pa.large_string()
    assert len(found.take(pa.array([2099]))[0].as_py()) == 2**20


def test_a_built_table_ends_in_32_bits_in_parts_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "PART", 3)
    ids = pa.array([f"{n:032x}" for n in range(10)], pa.large_string())
    table = REGISTRY.build({"sample_id": ids, "sample_index": np.arange(10)})
    assert table.schema.equals(REGISTRY.schema())
    assert [len(chunk) for chunk in table["sample_id"].chunks] == [3, 3, 3, 1]
    assert table["sample_id"].to_pylist() == ids.to_pylist()
    assert max(len(chunk.buffers()[2]) for chunk in table["sample_id"].chunks) < 3 * 32 + 64


@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_scalar_is_the_same_in_every_row(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "PART", 3)
    columns = {
        "sample_id": [f"{row}" for row in range(n)],
        "label_set": pa.scalar("given"),
        "classes": [["a"]] * n,
        "probabilities": [[1.0]] * n,
        "confidence": pa.scalar(1.0),
        "abstained": pa.scalar(False),
        next(column.name for column in LABELS.columns if column.name.endswith("weight")): pa.scalar(1.0),
        "annotator": pa.scalar("user"),
        "method": pa.scalar("by hand"),
        "round": pa.scalar(0),
    }
    table = LABELS.build(columns)
    assert table["method"].to_pylist() == ["by hand"] * n and table["round"].type == pa.int32()


def test_vectors_are_built_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "PART", 2)
    vectors = pa.array([[1.0, 2.0]] * 5, pa.list_(pa.float16(), 2))
    columns = {"sample_id": list("abcde"), "backbone_id": pa.scalar("b"), "embedding": vectors}
    assert EMBEDDINGS.build(columns, dim=2)["embedding"].to_pylist() == [[1.0, 2.0]] * 5
