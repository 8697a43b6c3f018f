"""Parquet files that are damaged, or hold what is no picture."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_case import READ, Hostile
from hostile_pictures import encoded, picture


def parquet(columns: Any, **options: Any) -> bytes:
    """Return a Parquet file."""
    out = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), out, **options)
    return out.getvalue()


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace some bytes that occur once or more, at their first place."""
    start = data.index(old)
    return data[:start] + new + data[start + len(new) :]


def corrupt_page() -> bytes:
    """Return three rows in three groups, the middle one damaged."""
    images = [encoded(picture(40, height)) for height in (28, 29, 30)]
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True, "write_statistics": False}
    return changed(parquet({"image": images}, row_group_size=1, **options), images[1][40:], b"damage")


def corrupt_footer() -> bytes:
    """Return a Parquet file with a footer of nonsense."""
    data = bytearray(parquet({"image": [encoded(picture())]}))
    (length,) = struct.unpack("<I", data[-8:-4])
    data[-8 - length : -8] = b"\xff" * length
    return bytes(data)


def image_rows() -> list[bytes | None]:
    """Return a good image, none, and one that is empty."""
    return [encoded(picture()), None, b""]


def structs() -> pa.Array:
    """Return the same rows in the form of Hugging Face datasets, and a row whose image is null inside."""
    rows = [{"bytes": encoded(picture()), "path": "x.png"}, None, {"bytes": None, "path": None}]
    return pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))


def text_column(*values: bytes) -> pa.Array:
    """Return bytes as a column of strings, whether they are text or not."""
    return pa.array(values).view(pa.string())


def no_groups() -> bytes:
    """Return a Parquet file of a schema only."""
    out = io.BytesIO()
    pq.ParquetWriter(out, pa.schema({"image": pa.binary()})).close()
    return out.getvalue()


def twin_columns() -> bytes:
    """Return a Parquet file with two columns `label`."""
    arrays = [pa.array(image_rows()[:1]), pa.array([1]), pa.array([2])]
    return parquet(pa.Table.from_arrays(arrays, ["image", "label", "label"]))


def odd_path() -> bytes:
    """Return a Parquet file of an image whose path is not UTF-8."""
    arrays = [pa.array(image_rows()[:1]), text_column(b"\xff.png")]
    return parquet({"image": pa.StructArray.from_arrays(arrays, ["bytes", "path"])})


def parquets() -> Iterator[Hostile]:
    """Yield Parquet files."""
    yield Hostile(
        "Parquet: a corrupt page",
        "p.parquet",
        corrupt_page,
        f"`0`: read: 40 x 28 RGB PNG; `1`: damaged row group; `2`: {READ}",
    )
    yield Hostile(
        "Parquet: a corrupt footer",
        "p.parquet",
        corrupt_footer,
        "damaged Parquet file",
    )
    yield Hostile(
        "Parquet: null and empty images",
        "p.parquet",
        lambda: parquet({"image": image_rows()}),
        f"`0`: {READ}; `1`: null image; `2`: empty file",
    )
    yield Hostile(
        "Parquet: nulls inside structs",
        "p.parquet",
        lambda: parquet({"image": structs()}),
        f"`x`: {READ}; `1`, `2`: null image",
    )
    yield Hostile(
        "Parquet: zero rows", "p.parquet", lambda: parquet({"image": pa.array([], pa.binary())}), "no occurrence"
    )
    yield Hostile("Parquet: zero row groups", "p.parquet", no_groups, "no occurrence")
    yield Hostile(
        "Parquet: a caption of 2 MB",
        "p.parquet",
        lambda: parquet({"image": image_rows()[:1], "caption": ["x" * 2**21]}),
        f"{READ} (`windrow_error`: caption: larger than 1048576 characters)",
    )
    yield Hostile(
        "Parquet: text that is not UTF-8",
        "p.parquet",
        lambda: parquet({"image": image_rows()[:1], "label": text_column(b"\xff")}),
        f"{READ} (`windrow_error`: label: not UTF-8)",
    )
    yield Hostile(
        "Parquet: two columns of one name are left out",
        "p.parquet",
        twin_columns,
        READ,
    )
    yield Hostile("Parquet: a path that is not UTF-8", "p.parquet", odd_path, READ)
