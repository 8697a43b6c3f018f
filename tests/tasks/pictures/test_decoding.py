import io
import struct
import warnings
import zlib
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from windrow.tasks.pictures.decoding import MAX_PIXELS, UnreadableImage, decode_rgb, inspect_image


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels: what a decompression bomb looks like."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(UnreadableImage) as caught:
        inspect_image(data, **options)
    return caught.value.reason


def test_facts_tell_the_size_mode_format_and_number_of_frames() -> None:
    facts = inspect_image(encoded(picture(40, 30).convert("L")))
    assert (facts.width, facts.height, facts.mode, facts.format, facts.n_frames) == (40, 30, "L", "PNG", 1)
    assert facts.exif_orientation == 1


def test_an_animation_has_frames_and_its_first_one_is_decoded() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    data = encoded(red, "GIF", save_all=True, append_images=[blue, red])
    assert inspect_image(data).n_frames == 3
    assert decode_rgb(data).getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"hello, this is text", "not an image"),
        (b"%PDF-1.7\n", "format not accepted: PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "format not accepted: EPS"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "format not accepted: SVG"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "format not accepted: HEIC or video"),
        (b"\xff\xd8\xff\xe0", "damaged image"),
        (png_header(30_000, 30_000), f"too many pixels: 900000000 > {MAX_PIXELS}"),
        (png_header(10_000, 10_000), "truncated image"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_half_a_file_is_refused_in_every_format(format: str) -> None:
    data = encoded(picture(), format)
    assert reason(data[: len(data) // 2]) in {"truncated image", "damaged image"}
    with pytest.raises(UnreadableImage):
        decode_rgb(data[: len(data) // 2])


def test_the_limit_on_pixels_is_the_callers() -> None:
    data = encoded(picture(40, 30))
    assert inspect_image(data, max_pixels=1200).width == 40
    assert reason(data, max_pixels=1199) == "too many pixels: 1200 > 1199"
    with pytest.raises(ValueError, match="max_pixels must be 1 to"):
        inspect_image(data, max_pixels=0)


def test_pillows_warnings_stay_inside_even_when_warnings_are_errors() -> None:
    warnings.simplefilter("error")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"  # announces five entries and ends in the first
    assert inspect_image(encoded(picture(), "JPEG", exif=exif)).exif_orientation == 1
    assert reason(png_header(10_000, 10_000)) == "truncated image"  # above Pillow's warning level


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: encoded(picture(4, 4), "JPEG")[:200] + tail))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_it_raise_anything_else(data: bytes) -> None:
    for read in (inspect_image, decode_rgb):
        try:
            read(data)
        except UnreadableImage as error:
            assert error.reason


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_every_exif_orientation_comes_out_upright(orientation: int, format: str) -> None:
    # Cameras store the picture turned; this stores it turned so that the tag turns it back.
    stored_by = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = Image.new("RGB", (32, 16), "black")
    upright.paste("white", (0, 0, 16, 8))
    stored = upright.transpose(Image.Transpose(stored_by[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(stored, format, exif=exif)
    facts, decoded = inspect_image(data), decode_rgb(data)
    assert (facts.width, facts.height, facts.exif_orientation) == (32, 16, orientation)
    difference = np.abs(np.asarray(decoded, dtype=int) - np.asarray(upright, dtype=int))
    assert decoded.size == (32, 16)
    assert difference.max() <= 8


def test_transparent_parts_become_white_whatever_colour_hides_there() -> None:
    hidden = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode_rgb(encoded(hidden)).getpixel((0, 0)) == (255, 255, 255)
    half = Image.new("LA", (4, 4), (0, 128))
    assert decode_rgb(encoded(half)).getpixel((0, 0)) == (127, 127, 127)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert decode_rgb(encoded(palette)).getpixel((0, 0)) == (10, 20, 30)
    assert decode_rgb(encoded(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.array([[0, 257, 256 * 128, 65535]], dtype=np.uint16)
    assert np.asarray(decode_rgb(encoded(Image.fromarray(ramp))))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_numbers_without_a_range_are_stretched_over_it() -> None:
    values = np.array([[-2.0, 0.0, 2.0, np.nan]], dtype=np.float32)
    assert np.asarray(decode_rgb(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == [0, 128, 255, 128]
    constant = np.full((2, 2), 7.0, dtype=np.float32)
    assert np.asarray(decode_rgb(encoded(Image.fromarray(constant), "TIFF"))).max() == 0


def test_cmyk_and_one_bit_pictures_become_rgb() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.allclose(decode_rgb(encoded(cyan, "JPEG")).getpixel((8, 8)), (0, 255, 255), atol=3)
    assert decode_rgb(encoded(Image.new("1", (2, 2), 1))).getpixel((0, 0)) == (255, 255, 255)


def test_a_colour_space_without_a_way_to_rgb_is_refused_by_both() -> None:
    data = encoded(Image.new("LAB", (4, 4)), "TIFF")
    assert reason(data) == "not supported: TIFF in the colours LAB"


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 120))
@settings(max_examples=40, deadline=None)
def test_a_draft_never_falls_below_the_side_asked_for(width: int, height: int, min_side: int) -> None:
    data = encoded(Image.new("RGB", (width, height), "teal"), "JPEG")
    drafted = decode_rgb(data, min_side=min_side)
    assert min(drafted.size) >= min(min_side, width, height)
    if min(width, height) >= 8 * min_side:
        assert drafted.width == -(-width // 8)


def test_a_draft_keeps_the_turn() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert decode_rgb(encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif), min_side=50).size == (50, 100)
    with pytest.raises(ValueError, match="min_side must be at least 1, got 0"):
        decode_rgb(b"", min_side=0)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_says_what_decoding_says(image_format: str, orientation: int) -> None:
    out, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (21, 10)).save(out, image_format, exif=exif)
    facts = inspect_image(out.getvalue())
    measures = dict.fromkeys(("blur", "brightness", "contrast", "entropy", "phash"))
    assert replace(facts, **measures) == inspect_image(out.getvalue(), decode=False)
    assert (facts.width, facts.height) == ((10, 21) if orientation >= 5 else (21, 10))
    assert facts.exif_orientation == orientation


def test_damage_after_the_header_is_found_only_by_decoding() -> None:
    out = io.BytesIO()
    Image.effect_noise((200, 100), 50).convert("RGB").save(out, "JPEG")
    cut = out.getvalue()[: len(out.getvalue()) // 2]
    assert inspect_image(cut, decode=False).width == 200
    with pytest.raises(UnreadableImage, match="truncated image"):
        inspect_image(cut)


@pytest.mark.skipif(find_spec("pillow_heif") is None, reason="pillow-heif is not installed")
def test_heic_is_an_image_where_it_can_be_read() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "HEIF")
    facts = inspect_image(out.getvalue())
    assert (facts.format, facts.width, facts.height) == ("HEIF", 64, 48)
    assert decode_rgb(out.getvalue()).size == (64, 48)
    with pytest.raises(UnreadableImage, match="damaged image"):
        inspect_image(out.getvalue()[:-40])
