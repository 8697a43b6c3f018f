"""Parquet: image columns, labels and metadata, rows that are read again, and damaged files."""

import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from windrow.tasks.storage.sources import parquet_source
from windrow.tasks.storage.sources.parquet_source import iterate_parquet, open_parquet, read_rows
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, sample_id_of


def parquet_bytes(table: pa.Table | Mapping[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **options)
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def read(data: bytes, **config: Any) -> list[Found]:
    found = list(iterate_parquet(io.BytesIO(data), "rows.parquet", IngestConfig(**config)))
    assert [one.position for one in found] == list(range(len(found)))
    assert all((one.data is None) == (one.error is not None) for one in found)
    return found


def test_what_hugging_face_datasets_writes_is_read_with_the_names_of_its_classes(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 3), "teal")
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "lens": datasets.Value("int32"),
        }
    )
    stored = {"bytes": png(picture), "path": "teal/one.PNG"}
    linked = {"bytes": None, "path": str(tmp_path / "linked.png")}
    picture.save(linked["path"])
    rows = {"picture": [stored, None, linked, picture], "label": [1, 0, -1, "dog"], "lens": [50, None, 35, None]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "d.parquet"))
    one, two, three, four = read((tmp_path / "d.parquet").read_bytes())
    assert (one.data, one.key, one.extension) == (png(picture), "teal/one", "png")
    assert (one.label, one.metadata, one.byte_offset) == ("dog", '{"lens": 50}', None)
    assert (two.error, two.key, two.label, two.metadata) == ("null image", "1", "cat", None)
    assert (three.error, three.key, three.label) == (
        "null image: only its path is in the file",
        f"{tmp_path}/linked",
        None,
    )
    assert (four.data, four.key, four.label) == (png(picture), "3", "dog")


def test_a_class_that_has_no_name_is_told_and_not_made_up() -> None:
    schema = pa.schema({"img": pa.binary(), "label": pa.int64()})
    features = {"info": {"features": {"label": {"names": ["cat"], "_type": "ClassLabel"}}}}
    table = pa.table({"img": [b"x"], "label": [4]}, schema.with_metadata({"huggingface": json.dumps(features)}))
    [one] = read(parquet_bytes(table))
    assert (one.label, one.metadata) == (None, '{"windrow_error": "label: 4 is not one of 1 classes"}')


def test_the_image_column_is_found_by_its_type_and_then_by_its_name() -> None:
    struct = pa.array([{"bytes": b"struct"}], pa.struct({"bytes": pa.binary()}))
    rows = {"mask": [b"mask"], "png": pa.array([b"named"], pa.large_binary()), "photo": struct}
    assert read(parquet_bytes(rows))[0].data == b"struct"
    assert read(parquet_bytes({name: rows[name] for name in ("mask", "png")}))[0].data == b"named"
    assert read(parquet_bytes(rows), image_column="mask")[0].data == b"mask"


@pytest.mark.parametrize(
    ("rows", "config", "message"),
    [
        (
            {"mask": [b""], "label": [1]},
            {},
            r"no image column: .*; the file has mask \(binary\), label \(int64\)",
        ),
        ({"image": ["path.jpg"]}, {}, r"no image column: .*ingest.image_column; the file has image \(string\)"),
        ({"image": [b""]}, {"image_column": "photo"}, r"no column 'photo' .*image \(binary\)"),
        ({"image": [b""], "label": [1]}, {"image_column": "label"}, r"no column 'label' .*label \(int64\)"),
    ],
)
def test_a_file_without_the_image_column_is_an_occurrence_with_the_columns_that_it_has(
    rows: dict[str, Any], config: dict[str, Any], message: str
) -> None:
    [found] = read(parquet_bytes(rows), **config)
    assert re.search(message, found.error or "")


def test_plain_columns_become_metadata_and_labels_become_text() -> None:
    rows = {
        "image": [b"1", b"2", b"3"],
        "label": [3.0, None, float("nan")],
        "group": ["g", "", None],
        "caption": ["犬", None, None],
        "taken": [datetime(2024, 5, 1, 12, tzinfo=UTC), None, None],
        "day": [date(2024, 5, 1), None, None],
        "price": [Decimal("1.50"), None, None],
        "blur": [0.5, float("inf"), None],
        "kind": pa.array(["a", None, None]).dictionary_encode(),
        "sharp": [True, False, None],
        "boxes": [[1, 2], [], None],
        "mask": [b"x", b"y", None],
    }
    one, two, three = read(parquet_bytes(rows))
    assert (one.label, one.group, one.caption) == ("3", "g", "犬")
    assert one.metadata is not None and json.loads(one.metadata) == {
        "taken": "2024-05-01 12:00:00.000000Z",
        "day": "2024-05-01",
        "price": "1.50",
        "blur": 0.5,
        "kind": "a",
        "sharp": True,
    }
    assert (two.label, two.group, two.metadata) == (None, None, '{"sharp": false}')
    assert (three.label, three.metadata) == (None, None)


def test_empty_and_large_images_are_told_apart_from_null() -> None:
    found = read(parquet_bytes({"image": [b"", None, b"12345"]}), max_bytes=4)
    assert [(one.data, one.error, one.byte_length) for one in found] == [
        (b"", None, 0),
        (None, "null image", None),
        (None, "too large: 5 > 4 bytes", 5),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"no such thing", "not a Parquet file"),
        (parquet_bytes({"image": [b"x" * 5000]})[:-20], "damaged Parquet file"),
        (b"PAR1" + b"\xff" * 100 + (100).to_bytes(4, "little") + b"PAR1", "damaged Parquet file"),
    ],
)
def test_what_is_no_parquet_file_is_one_unreadable_occurrence(data: bytes, reason: str) -> None:
    assert [(one.key, one.error) for one in read(data)] == [("rows.parquet", reason)]


def test_a_damaged_row_group_costs_its_own_rows_only() -> None:
    rows = {"image": [bytes([n]) * 3000 for n in range(9)]}
    data = bytearray(
        parquet_bytes(rows, row_group_size=3, compression="none", use_dictionary=False, write_page_checksum=True)
    )
    middle = data.index(bytes([4]) * 3000)
    data[middle + 100] ^= 0xFF
    found = read(bytes(data))
    assert [one.position for one in found if one.data] == [0, 1, 2, 6, 7, 8]
    assert [one.error for one in found[3:6]] == ["damaged row group"] * 3
    assert found[8].data == bytes([8]) * 3000


IMAGES = st.lists(st.none() | st.binary(max_size=6), min_size=1, max_size=300)


@given(IMAGES, st.integers(1, 150), st.sampled_from([1, 100, 1000, 2**20]), st.data())
@settings(max_examples=50, deadline=None)
def test_any_rows_can_be_read_again(
    images: list[bytes | None], group_size: int, batch_bytes: int, data: st.DataObject
) -> None:
    file = parquet_bytes({"image": pa.array(images, pa.binary())}, row_group_size=group_size)
    rows = data.draw(st.sets(st.integers(0, len(images) - 1), max_size=20))
    wanted = {row: sample_id_of(image) for row in rows if (image := images[row]) is not None}
    parquet = open_parquet(io.BytesIO(file))
    assert not isinstance(parquet, str)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_source, "BATCH_BYTES", batch_bytes)
        assert [one.data for one in read(file)] == images
        assert read_rows(parquet, wanted) == {row: images[row] for row in wanted}


def test_the_hash_finds_the_column_that_was_ingested_and_leaves_out_what_has_changed() -> None:
    parquet = open_parquet(io.BytesIO(parquet_bytes({"image": [b"a", b"b", b"c"], "mask": [b"1", b"2", b"3"]})))
    assert not isinstance(parquet, str)
    wanted = {0: sample_id_of(b"a"), 1: sample_id_of(b"2"), 2: sample_id_of(b"other"), 99: sample_id_of(b"a")}
    assert read_rows(parquet, wanted) == {0: b"a", 1: b"2"}


def test_images_inside_structs_are_found_and_named_by_their_path() -> None:
    rows = [
        {"sample": {"photo": {"bytes": b"one", "path": "one.jpg"}, "raw": b"r"}, "x.y": b"dotted", "label": "cat"},
        {"sample": {"photo": None, "raw": None}, "x.y": None, "label": None},
        {"sample": None, "x.y": b"", "label": "dog"},
    ]
    file = parquet_bytes(pa.Table.from_pylist(rows))
    assert [one.data for one in read(file)] == [b"one", None, None]
    assert [(one.key, one.label, one.error) for one in read(file)] == [
        ("one", "cat", None),
        ("1", None, "null image"),
        ("2", "dog", "null image"),
    ]
    assert [one.data for one in read(file, image_column="sample.raw")] == [b"r", None, None]
    assert [one.data for one in read(file, image_column="x.y")] == [b"dotted", None, b""]
    parquet = open_parquet(io.BytesIO(file))
    assert not isinstance(parquet, str)
    wanted = {0: sample_id_of(b"r"), 1: sample_id_of(b"one")}
    assert read_rows(parquet, wanted) == {0: b"r"}
    [missing] = read(file, image_column="sample.none")
    assert (missing.error or "").startswith("no column 'sample.none' of image bytes (ingest.image_column)")
