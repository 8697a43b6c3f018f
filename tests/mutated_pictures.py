"""Pictures of every format that is taken, changed a little in every region of their files, and what plain readers say.

`python tests/mutated_pictures.py [N]` prints for each kind how many of N changes ingest takes, and how many of these
plain readers cannot read: as they came, and as they are exported.
"""

from __future__ import annotations

import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from windrow.tasks.pictures.decoding import UnreadableImage, inspect_image
from windrow.tasks.pictures.mending import mended


def picture(mode: str = "RGB", width: int = 36, height: int = 28) -> Image.Image:
    """Return a small picture with shapes and grain, of a mode that Pillow can write."""
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(20, 230, (4, 5, 3), dtype=np.uint8)).resize((width, height), 3)
    pixels = np.clip(np.asarray(coarse) + rng.normal(0, 4, (height, width, 3)), 1, 254).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    image = Image.fromarray(pixels)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(pixels[..., 1]))
    if mode in ("F", "I"):
        return image.convert("L").convert(mode)
    return image.convert(mode)


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def _exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "a maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:11:29 03:00:00"
    return exif


def _notes() -> PngImagePlugin.PngInfo:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "a comment")
    notes.add_text("Long", "words " * 20, zip=True)
    notes.add_itxt("Title", "words", "en", "words", zip=True)
    return notes


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _transparent() -> Image.Image:
    image = picture().quantize(32)
    image.info["transparency"] = bytes(range(0, 256, 8))
    return image


BASES: Mapping[str, Callable[[], bytes]] = {
    "JPEG": lambda: _saved(picture(), "JPEG", quality=80),
    "JPEG, grey": lambda: _saved(picture("L"), "JPEG"),
    "JPEG, CMYK": lambda: _saved(picture("CMYK"), "JPEG"),
    "JPEG, progressive": lambda: _saved(picture(), "JPEG", progressive=True),
    "JPEG, EXIF": lambda: _saved(picture(), "JPEG", exif=_exif(), comment=b"a comment", xmp=b"<x:xmpmeta/>"),
    "JPEG, profile": lambda: _saved(picture(), "JPEG", icc_profile=_profile()),
    "MPO": lambda: _saved(picture(), "MPO", save_all=True, append_images=[picture("L").convert("RGB")]),
    "PNG": lambda: _saved(picture(), "PNG"),
    "PNG, notes": lambda: _saved(picture(), "PNG", pnginfo=_notes(), dpi=(72, 72), exif=_exif()),
    "PNG, profile": lambda: _saved(picture(), "PNG", icc_profile=_profile()),
    "PNG, palette": lambda: _saved(_transparent(), "PNG"),
    "PNG, grey and alpha": lambda: _saved(picture("LA"), "PNG"),
    "PNG, 16-bit grey": lambda: _saved(picture("I;16"), "PNG"),
    "PNG, one bit": lambda: _saved(picture("1"), "PNG"),
    "PNG, animated": lambda: _saved(picture(), "PNG", save_all=True, append_images=[picture("L").convert("RGB")]),
    "WebP": lambda: _saved(picture(), "WEBP"),
    "WebP, lossless": lambda: _saved(picture("RGBA"), "WEBP", lossless=True),
    "WebP, EXIF": lambda: _saved(picture(), "WEBP", exif=_exif(), xmp=b"<x:xmpmeta/>", icc_profile=_profile()),
    "WebP, animated": lambda: _saved(
        picture(), "WEBP", save_all=True, append_images=[picture().rotate(180)], duration=90
    ),
    "GIF": lambda: _saved(picture(), "GIF", comment=b"a comment"),
    "GIF, animated": lambda: _saved(
        picture(), "GIF", save_all=True, append_images=[picture().rotate(180)], duration=90
    ),
    "BMP": lambda: _saved(picture(), "BMP"),
    "BMP, palette": lambda: _saved(picture("P"), "BMP"),
    "PPM": lambda: _saved(picture(), "PPM"),
    "PGM, 16 bits": lambda: b"P5 36 28 65535\n" + np.asarray(picture("I;16")).astype(">u2").tobytes(),
    "PGM, text": lambda: b"P2\n# a comment\n36 28 200\n" + " ".join(["7"] * (36 * 28)).encode(),
    "TIFF": lambda: _saved(picture(), "TIFF"),
    "TIFF, EXIF": lambda: _saved(picture(), "TIFF", compression="tiff_adobe_deflate", exif=_exif()),
    "TIFF, LZW": lambda: _saved(picture("P"), "TIFF", compression="tiff_lzw"),
    "TIFF, CMYK": lambda: _saved(picture("CMYK"), "TIFF", compression="packbits"),
    "TIFF, 16 bits": lambda: _saved(picture("I;16"), "TIFF"),
    "TIFF, float": lambda: _saved(picture("F"), "TIFF"),
    "TIFF, JPEG": lambda: _saved(picture(), "TIFF", compression="jpeg"),
    "JPEG 2000": lambda: _saved(picture(), "JPEG2000"),
    "AVIF": lambda: _saved(picture(), "AVIF", speed=10, exif=_exif()),
    "QOI": lambda: _saved(picture(), "QOI"),
}  # fmt: skip

EXIF_FORMATS = ("JPEG", "PNG", "WEBP", "MPO")


def mutations(data: bytes, n: int, seed: str) -> Iterator[bytes]:
    """Yield `n` changes of a file, half of them in its first 256 bytes: a byte, zeros, cut short, cut out, doubled."""
    rng = random.Random(seed)
    for number in range(n):
        at = rng.randrange(min(len(data), 256)) if number % 2 else rng.randrange(len(data))
        length = rng.choice((1, 2, 4, 12, 40))
        kind = number % 9
        if kind < 4:
            yield data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        elif kind == 4:
            yield data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 5:
            yield data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
        elif kind == 6:
            yield data[: max(1, len(data) - at)]
        elif kind == 7:
            yield data[:at] + data[at + length :]
        else:
            yield data[: at + length] + data[at:]


def plain_pillow(data: bytes) -> None:
    """Do what webdataset's `decode("pil")` and `datasets` do, and who turns what these give; raise as they do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        image.load()
        if image.getexif().get(ExifTags.Base.Orientation) is not None:
            ImageOps.exif_transpose(image)
        with Image.open(io.BytesIO(data)) as again:
            again.load()
            ImageOps.exif_transpose(again.convert("RGB"))


def why_not(data: bytes) -> str | None:
    """Return what plain readers fail with; None where they read it."""
    try:
        plain_pillow(data)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def exported(data: bytes) -> bytes | None:
    """Return the bytes that go out for a sample, None where ingest does not take it."""
    try:
        return mended(data, inspect_image(data).mended)
    except UnreadableImage:
        return None


def exif_blobs() -> Iterator[bytes]:
    """Yield EXIF with a byte changed, or cut short, at every place."""
    exif = _exif()
    exif[ExifTags.Base.XResolution] = 72.5
    exif.get_ifd(ExifTags.IFD.GPSInfo)[2] = (1.0, 2.5, 3.0)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0hello"
    blob, rng = exif.tobytes(), random.Random(1)
    for at in range(6, len(blob)):
        for value in sorted({blob[at] ^ 1, blob[at] ^ 128, 0, 255, rng.randrange(256)} - {blob[at]}):
            yield blob[:at] + bytes([value]) + blob[at + 1 :]
        yield blob[:at]


def with_exif(blob: bytes, format: str) -> bytes:
    """Return a picture with such EXIF, in a format whose writer does not look at it."""
    options = {"save_all": True, "append_images": [picture()]} if format == "MPO" else {}
    return _saved(picture(width=12, height=9), format, exif=blob, **options)


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    kinds = {name: list(mutations(make(), n, name)) for name, make in BASES.items()}
    kinds |= {
        f"EXIF in {each}": [with_exif(blob, each) for blob in exif_blobs()] for each in ("JPEG", "PNG", "WEBP", "MPO")
    }
    print("| kind | tried | taken | not read as they came | not read as exported |\n|---|---:|---:|---:|---:|")
    for name, changed in kinds.items():
        pairs = [(data, out) for data in changed if (out := exported(data)) is not None]
        before, after = (sum(why_not(pair[at]) is not None for pair in pairs) for at in (0, 1))
        print(f"| {name} | {len(changed)} | {len(pairs)} | {before} | {after} |", flush=True)


if __name__ == "__main__":
    main()
