"""Damage is found where a file can tell of it, families of it in every format; good pictures raise no alarm."""

from __future__ import annotations

import io
import random
import struct

import numpy as np
import pytest
from damaged_pictures import DAMAGES, FORMATS, cut, damaged, flip, reason, saved, scene, zero_middle, zero_tail
from hostile_pictures import png_chunk
from PIL import Image
from wide_pictures import tiff_of

from windrow.tasks.pictures.decoding import UnreadableImage, decode_rgb, inspect_image

N = 8
UNKNOWN = {
    **dict.fromkeys(((name, flip) for name in FORMATS), 0.0),  # without checksums a changed byte is another picture
    **dict.fromkeys(((name, zero_middle) for name in ("BMP", "PPM", "TIFF, raw")), 0.7),  # zeros are black there, too
    ("PNG", flip): 1.0,
    ("TIFF, deflate", flip): 0.7,
    ("JPEG, progressive", zero_middle): 0.7,
    ("PPM", zero_tail): 0.8,
}


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_found(name: str) -> None:
    for damage in DAMAGES:
        found = sum(reason(data) is not None for data in damaged(name, damage, N))
        assert found >= UNKNOWN.get((name, damage), 1.0) * N, damage


def test_every_flipped_byte_in_a_png_is_found_and_by_both() -> None:
    rng = random.Random(0)
    whole = [saved(scene(seed, 120, 90), "PNG") for seed in range(3)]
    for n in range(200):
        data = flip(whole[n % 3], rng)
        assert reason(data) is not None
        with pytest.raises(UnreadableImage):
            decode_rgb(data)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("colour", ["black", "white", (90, 20, 200)])
def test_flat_pictures_black_borders_and_halves_pass(name: str, colour: str | tuple[int, int, int]) -> None:
    flat = Image.new("RGB", (400, 300), colour)
    bordered, halved, spotted = flat.copy(), flat.copy(), flat.copy()
    bordered.paste(scene(0), (80, 60))
    halved.paste(scene(0, 400, 100), (0, 0))
    spotted.paste(scene(1, 5, 5), (300, 3))
    for picture in (flat, bordered, halved, spotted):
        assert reason(saved(picture, name)) is None


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"optimize": True, "quality": 100}])
def test_patterns_and_ramps_of_a_jpeg_pass(options: dict[str, object]) -> None:
    ramp = np.tile(np.linspace(0, 255, 3000), (64, 1)).astype(np.uint8)
    board = ((np.indices((400, 400)).sum(0) // 8) % 2 * 255).astype(np.uint8)
    for values in (ramp, ramp[:, ::-1], ramp.T, board):
        for mode in ("L", "RGB"):
            out = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(values)).convert(mode).save(out, "JPEG", **options)
            assert reason(out.getvalue()) is None


PNG = saved(scene(0, 40, 30), "PNG")
ANCILLARY = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"tIME", b"sBIT", b"bKGD", b"hIST", b"xxXx")


def wrong_crc(name: bytes, data: bytes) -> bytes:
    chunk = png_chunk(name, data)
    return chunk[:-4] + struct.pack(">I", struct.unpack(">I", chunk[-4:])[0] ^ 1)


@pytest.mark.parametrize("name", ANCILLARY)
@pytest.mark.parametrize("place", [33, len(PNG) - 12])
@pytest.mark.parametrize("content", [b"", b"x", b"key\0\0not deflated at all", b"\xff" * 40, bytes(9)])
def test_a_damaged_ancillary_chunk_leaves_a_picture_readable(name: bytes, place: int, content: bytes) -> None:
    expected = np.asarray(decode_rgb(PNG))
    for chunk in (wrong_crc(name, content), png_chunk(name, content)):
        data = PNG[:place] + chunk + PNG[place:]
        assert reason(data) is None
        assert np.array_equal(np.asarray(decode_rgb(data)), expected)
        assert inspect_image(data, decode=False).width == 40


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"IEND", b"PLTE"])
def test_a_damaged_critical_chunk_is_damage(name: bytes) -> None:
    data = saved(scene(0, 40, 30).quantize(16), "PNG") if name == b"PLTE" else PNG
    place = data.index(name)
    (length,) = struct.unpack_from(">I", data, place - 4)
    crc = place + 4 + length
    assert reason(data[:crc] + bytes([data[crc] ^ 1]) + data[crc + 1 :]) == "damaged image"


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8, 1)
COLOURS = np.repeat(GREY, 3, axis=2)
NO_COMPRESSION, LERC = (struct.pack("<HHIHH", 259, 3, 1, packing, 0) for packing in (1, 34887))
UNSUPPORTED = {
    "13 bands": (tiff_of(np.repeat(GREY, 13, axis=2).astype(np.uint16), extra=(0,) * 10, ink=2), "13 bands of 16 bits"),
    "2 bands without alpha": (tiff_of(COLOURS[..., :2].astype(np.uint16)), "2 bands of 16 bits"),
    "float64": (tiff_of(GREY.astype(np.float64), kind=3), "1 band of 64-bit floats"),
    "float16": (tiff_of(GREY.astype(np.float16), kind=3), "1 band of 16-bit floats"),
    "float colours": (tiff_of(COLOURS.astype(np.float32), kind=3), "3 bands of 32-bit floats"),
    "complex": (tiff_of(GREY.astype(np.complex64), kind=6), "1 band of complex floats of 64 bits"),
    "64-bit integers": (tiff_of(GREY.astype(np.uint64)), "1 band of 64 bits"),
    "LERC": (tiff_of(GREY).replace(NO_COMPRESSION, LERC), "1 band of 8 bits, compression 34887"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_tiff_that_is_not_decoded_is_not_supported_and_not_damaged(name: str) -> None:
    data, what = UNSUPPORTED[name]
    assert reason(data) == f"not supported: TIFF of {what}"
    assert reason(data[: len(data) - 40]) in ("damaged image", "truncated image")


def test_cmyk_with_alpha_is_not_supported() -> None:
    data = tiff_of(np.repeat(GREY, 5, axis=2), ink=5, extra=(2,))
    assert reason(data) == "not supported: CMYK TIFF of 5 bands of 8 bits"


@pytest.mark.parametrize(
    ("marker", "bits", "components", "what"),
    [
        (0xC1, 12, 3, "JPEG of 12 bits"),
        (0xC3, 8, 3, "lossless JPEG"),
        (0xC5, 8, 3, "hierarchical JPEG"),
        (0xC0, 8, 2, "JPEG of 2 components"),
    ],
)
def test_a_jpeg_of_another_kind_is_not_supported(marker: int, bits: int, components: int, what: str) -> None:
    data = bytearray(saved(scene(0, 40, 30), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 1], data[start + 4], data[start + 9] = marker, bits, components
    assert reason(bytes(data)) == f"not supported: {what}"


def test_a_cut_end_mark_is_a_truncated_file() -> None:
    for name in ("PNG", "QOI", "WebP", "AVIF"):
        assert reason(saved(scene(0), name)[:-3]) in ("truncated image", "damaged image")
    assert all(reason(data) is not None for data in damaged("PNG", cut, 20))
