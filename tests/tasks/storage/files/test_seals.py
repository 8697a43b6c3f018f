"""A sealed file says itself whether it is as it was written, whatever it holds."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.storage.files.seals import EMPTY_SEAL, broken_seal, read_sealed, seal_file, sealed_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['\n "seal": "', "0" * 64])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.just("seal"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_breaks_the_seal_of_any_json(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], ensure_ascii: bool, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "values.json"
    path.write_text(sealed_json(values, ensure_ascii=ensure_ascii), encoding="utf-8")
    assert broken_seal(path) is None
    assert read_sealed(path) == values
    whole = bytearray(path.read_bytes())
    at, change = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    whole[at] ^= change
    path.write_bytes(whole)
    assert broken_seal(path) is not None


def test_a_sealed_json_that_is_cut_short_or_goes_on_is_broken(tmp_path: Path) -> None:
    whole = sealed_json({"a": 1}).encode()
    for data in (*(whole[:n] for n in range(len(whole))), whole + b"\n", b""):
        (tmp_path / "values.json").write_bytes(data)
        assert broken_seal(tmp_path / "values.json") is not None


def test_every_byte_of_a_parquet_file_is_under_its_seal(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({"sample_id": [f"{i:032x}" for i in range(50)]}).replace_schema_metadata(EMPTY_SEAL)
    pq.write_table(table, path)
    assert broken_seal(path) is not None
    seal_file(path)
    assert broken_seal(path) is None
    assert pq.read_table(path).equals(table)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert broken_seal(path) is not None, at


def test_a_file_without_a_place_for_a_seal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ValueError, match="has no place for a seal"):
        seal_file(path)
    assert "has no seal" in str(broken_seal(path))
