"""Tables: what fits a declaration goes in, through Parquet and DuckDB and back; the rest is refused by name."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import rows

from windrow.schemas import LABELS, OUTCOMES, SCORES, TABLES, Column, Table
from windrow.tasks.storage.files.parquet import read_table, write_table

DIM = 3


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_rows_of_every_table_come_back_from_parquet_and_show_in_duckdb(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    declared = data.draw(st.sampled_from(TABLES))
    drawn = data.draw(rows(declared, DIM))
    table = declared.build({column.name: [row[column.name] for row in drawn] for column in declared.columns}, DIM)
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    write_table(declared, table, path)
    back = read_table(declared, [path])
    assert back.num_rows == len(drawn)
    if drawn:
        assert back.equals(table)
    names = [row[0] for row in duckdb.connect().execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    assert names == [column.name for column in declared.columns]


@pytest.mark.parametrize("declared", TABLES, ids=lambda table: table.name)
def test_every_table_says_what_it_and_its_columns_mean(declared: Table) -> None:
    reference = declared.markdown()
    assert declared.meaning in reference
    assert all(column.meaning and f"| `{column.name}` |" in reference for column in declared.columns)
    assert declared.schema().metadata[b"windrow.table"] == declared.name.encode()


def test_every_reference_is_to_the_key_of_a_table_and_of_its_type() -> None:
    tables = {table.name: table for table in TABLES}
    referring = [(table, column) for table in TABLES for column in table.columns if column.references]
    assert len(referring) >= 10
    for table, column in referring:
        assert column.references is not None
        name, key = column.references
        assert tables[name].primary_key == (key,), (table.name, column.name)
        assert {each.name: each.type for each in tables[name].columns}[key] == column.type
        assert f"refers to `{name}.{key}`" in table.markdown()


def bad(columns: dict[str, object], table: Table = SCORES) -> str:
    with pytest.raises(ValueError, match="table ") as caught:
        table.build(columns)  # type: ignore[arg-type]
    return str(caught.value)


def test_an_unknown_column_is_named() -> None:
    assert "'colour'" in bad({"sample_id": ["a"], "colour": [1]})


def test_a_missing_column_is_named() -> None:
    assert "'sample_id' is missing" in bad({"outlier_score": [1.0]})


def test_a_wrong_type_is_named_with_the_column() -> None:
    assert "'outlier_score'" in bad({"sample_id": ["a"], "outlier_score": ["much"]})


def test_a_null_where_there_is_none_is_counted() -> None:
    assert "'sample_id': 1 nulls" in bad({"sample_id": ["a", None]})


def test_a_repeated_primary_key_is_refused() -> None:
    assert "repeats 1 times" in bad({"sample_id": ["a", "b", "a"]})


def test_a_value_outside_its_bounds_is_shown() -> None:
    columns = {column.name: pa.nulls(1, column.type) for column in LABELS.columns} | {
        "sample_id": ["a"],
        "label_set": ["x"],
        "classes": [["c"]],
        "probabilities": [[1.0]],
        "confidence": [1.5],
        "abstained": [False],
        "label_weight": [1.0],
        "annotator": ["me"],
        "method": ["m"],
        "round": [0],
    }
    assert "1.5 is outside the bound 1" in bad(columns, LABELS)


def test_a_value_that_is_not_of_the_list_is_shown() -> None:
    message = bad({"occurrence_id": ["a"], "sample_id": ["a"], "outcome": ["vanished"]}, OUTCOMES)
    assert "'vanished' is not one of exported" in message


def test_a_table_without_its_own_primary_key_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="primary key"):
        Table("t", "m", (Column("a", pa.int64(), "m"),), ("b",))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=12),
    st.sampled_from(["as they come", "in order", "in runs"]),
)
def test_a_key_that_repeats_is_refused_and_no_other_in_whatever_order_rows_come(
    keys: list[tuple[str, int]], how: str
) -> None:
    declared = Table("t", "m", (Column("a", pa.string(), "m"), Column("b", pa.int64(), "m")), ("a", "b"))
    orders = {"in order": sorted, "in runs": lambda rows: sorted(rows, key=lambda row: ("bca".index(row[0]), row[1]))}
    rows = orders.get(how, list)(keys)
    columns = {"a": [key[0] for key in rows], "b": [key[1] for key in rows]}
    if len(set(keys)) == len(keys):
        assert declared.build(columns).num_rows == len(keys)
    else:
        with pytest.raises(ValueError, match=f"repeats {len(keys) - len(set(keys))} times"):
            declared.build(columns)


def test_vectors_are_lists_of_one_length() -> None:
    from windrow.schemas import EMBEDDINGS

    assert pa.types.is_fixed_size_list(EMBEDDINGS.schema(4).field("embedding").type)
    with pytest.raises(ValueError, match="embedding"):
        EMBEDDINGS.build({"sample_id": ["a"], "backbone_id": ["b"], "embedding": [[1.0, 2.0]]}, dim=4)


def test_a_torn_page_of_a_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    write_table(SCORES, SCORES.build({"sample_id": [f"{i:032x}" for i in range(1000)]}), path)
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(OSError, match=r"(?i)crc|checksum|corrupt|decompress"):
        read_table(SCORES, [path])
