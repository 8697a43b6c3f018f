"""Whatever is taken is read by plain Pillow as it is exported, and looks as it was looked at."""

from __future__ import annotations

import io

import numpy as np
import pytest
from mutated_pictures import BASES, EXIF_FORMATS, exif_blobs, exported, mutations, why_not, with_exif
from PIL import Image, ImageOps

from windrow.tasks.pictures.decoding import UnreadableImage, decode_rgb, inspect_image

N = 60


@pytest.mark.parametrize("name", BASES)
def test_what_is_taken_is_read_by_plain_readers_as_exported(name: str) -> None:
    whole = BASES[name]()
    assert exported(whole) is whole
    for data in mutations(whole, N, name):
        out = exported(data)
        if out is not None:
            assert why_not(out) is None
            assert len(out) == len(data)


@pytest.mark.parametrize("format", EXIF_FORMATS)
def test_broken_exif_is_passed_over_in_what_goes_out(format: str) -> None:
    n_mended = 0
    for blob in list(exif_blobs())[:: 1 if format == "WEBP" else 3]:
        data = with_exif(blob, format)
        out = exported(data)
        assert out is not None
        assert why_not(out) is None
        assert len(out) == len(data)
        n_mended += out != data
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(out)).convert("RGB"))
        assert np.array_equal(np.asarray(upright), np.asarray(decode_rgb(data)))
    assert n_mended > 0


def test_a_picture_that_is_not_damaged_goes_out_as_it_came() -> None:
    for name, make in BASES.items():
        assert inspect_image(make()).mended is None, name


@pytest.mark.parametrize(
    ("name", "chunk"), [("PNG, notes", b"tEXt"), ("PNG, notes", b"eXIf"), ("PNG, palette", b"tRNS")]
)
def test_a_damaged_chunk_is_passed_over_and_nothing_else_is_changed(name: str, chunk: bytes) -> None:
    whole = BASES[name]()
    at = whole.index(chunk)
    data = whole[: at + 5] + bytes([whole[at + 5] ^ 1]) + whole[at + 6 :]
    assert why_not(data) is not None
    assert inspect_image(data).mended == "damaged chunks"
    out = exported(data)
    assert out is not None
    assert out[:at] == data[:at]
    assert why_not(out) is None
    assert inspect_image(out).mended is None


def test_metadata_that_cannot_be_passed_over_makes_a_picture_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    data = with_exif(b"Exif\0\0MO\0*\0\0\0\x08\0\0", "WEBP")
    assert inspect_image(data).mended == "metadata"
    monkeypatch.setattr("windrow.tasks.pictures.opening.without_metadata", lambda data: data)
    with pytest.raises(UnreadableImage, match="damaged metadata"):
        inspect_image(data)
