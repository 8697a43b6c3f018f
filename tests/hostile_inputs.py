"""Hostile inputs, each with what becomes of it: the parameters of a test, and the table of the page."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageCms

PAGE = """\
# What becomes of hostile input

Broken, lying and malicious files, and what Windrow makes of each. Nothing here ends a run.

Each of these is built by `tests/hostile_inputs.py` and ingested by `tests/tasks/ingest/test_hostile_input.py`; this
page is written from the same list. An occurrence that cannot be used is a row with a reason. A sidecar or column that
cannot be used is named in the metadata as `windrow_error`, and the sample is kept.

Images are decoded in a process beside each ingest worker, with limits on its memory and time and no right to write
files. When it crashes or takes too long, the image is tried again in a fresh process and then gets the reason
`decoder crashed (SIGSEGV)`, `decoder took longer than 60 s` (`ingest.max_seconds`) or `not enough memory to decode it`.
The others go on. What is looked at later (features, scores, thumbnails) is decoded in such processes, too, with the
same call, so that what ingest passed is not refused there. All of them together share one memory: each may take 256 MB,
and more only while it holds locks on slots of half of the machine's memory. Names in tars are keys, never paths:
nothing is extracted, and links are not followed.

What a file can tell of its own damage is asked: the checksums of a PNG, the end marks of others, and runs of zeros that
no encoder writes. Where nothing in a format tells (a changed byte of a JPEG; zeros in the middle of a BMP), it is
another picture, and passes. These are the kinds, with what was tried (`tests/damaged_pictures.py`: 30 files a format):

| Kind | Inputs | Passed before | Passed after |
|---|---|---|---|
| PNG with a byte changed behind its header | 200 | 200 | 0 |
| JPEG (plain, optimised, progressive), two thirds zeros, the end mark kept | 90 | 90 | 0 |
| PNG, WebP (lossy, lossless), AVIF, QOI: zeros to the end | 150 | 150 | 0 |
| the same and JPEG 2000: two thirds zeros in the middle | 210 | 210 | 0 |
| BMP, PPM, raw TIFF: zeros to the end | 90 | 90 | 2 |
| BMP, PPM, raw TIFF: zeros in the middle | 90 | 90 | 90: zeros are black there |
| a changed byte: JPEG, WebP, JPEG 2000, AVIF, QOI, BMP, PPM, raw TIFF | 360 | 333 | 333: no checksum |
| every format: cut short | 480 | 0 | 0 |
| good: photographs | 200 | 200 | 200 |
| good: PNG with damaged tEXt, zTXt, iTXt, iCCP, eXIf, pHYs and others | 240 | not counted | 240 |
| good: 10, 12 and 14 bits in 16, in 15 kinds of file | 135 | not counted | 135: as at 8 bits, same hash |
| good, not decoded: TIFF of 13 bands, float64, complex, CMYK with alpha, ... | 8 | "damaged" | "not supported" |
| expands: Parquet, one value of 100 MB in a dictionary for 128 rows (3 KB) | 1 | 5,976 MB, 34 s | 874 MB, 2 s |
| expands: Parquet, a page of 1.6 GB (51 KB) | 1 | 2,830 MB, 8 s | 171 MB, 1 s: too large |
| expands: 16-bit grey PNG of 177 million pixels (1.5 MB) | 1 | 4,040 MB, 16 s, refused | 770 MB, 8 s, read |
| expands: palette PNG with alpha of 177 million pixels (0.8 MB) | 1 | 2,363 MB, 5 s | 532 MB, 5 s |

"""


READ = "read: 40 x 30 RGB PNG"
AROUND = f"`a`, `z`: {READ}"


@dataclass(frozen=True)
class Hostile:
    """A file named `name`; `outcome` is what `told` says of each of its occurrences, by key where there are several."""

    what: str
    name: str
    make: Callable[[], bytes]
    outcome: str


def page() -> str:
    """Return the page."""
    rows = "".join(f"| {one.what} | {one.outcome.replace('|', '/')} |\n" for one in HOSTILE)
    return f"{PAGE}| Input | What becomes of it |\n|---|---|\n{rows}"


def told(occurrences: list[dict[str, Any]], samples: list[dict[str, Any]]) -> str:
    """Return what became of the occurrences of a file, in words."""
    facts = {sample["sample_id"]: sample for sample in samples}
    outcomes = [_told(row, facts) for row in occurrences]
    if len(outcomes) == 1:
        return outcomes[0]
    keys: dict[str, list[str]] = {}
    for row, outcome in zip(occurrences, outcomes, strict=True):
        keys.setdefault(outcome, []).append(f"`{_shown(row['key'])}`")
    return "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in keys.items()) or "no occurrence"


def _told(row: dict[str, Any], facts: dict[str, dict[str, Any]]) -> str:
    if row["unreadable"] is not None:
        return re.sub(r"byte \d+", "byte N", row["unreadable"])
    sample = facts[row["sample_id"]]
    frames = f", {sample['n_frames']} frames" if sample["n_frames"] > 1 else ""
    wrong = json.loads(row["metadata"] or "{}").get("windrow_error")
    label = f", label {row['found_label']}" if row["found_label"] else ""
    what = f"read: {sample['width']} x {sample['height']} {sample['mode']} {sample['format']}{frames}{label}"
    return f"{what} (`windrow_error`: {wrong})" if wrong else what


def _shown(key: str) -> str:
    text = key.encode("unicode_escape").decode()
    return text if len(text) <= 30 else f"{text[:10]}… ({len(key)} characters)"


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Return noise, which no codec makes small."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def half(data: bytes) -> bytes:
    """Return the first half."""
    return data[: len(data) // 2]


def animation(format: str) -> bytes:
    """Return three frames, the first one red."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


def turned(orientation: int) -> bytes:
    """Return a JPEG of 40 x 30 stored pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(picture(), "JPEG", exif=exif)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deflated(size: int) -> bytes:
    """Return `size` zeros, compressed."""
    packer = zlib.compressobj(1)
    block = bytes(2**20)
    parts = [packer.compress(block[: min(2**20, size - start)]) for start in range(0, size, 2**20)]
    return b"".join(parts) + packer.flush()


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a good PNG with chunks (name, data) put in after its header."""
    good = encoded(picture())
    return good[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + good[33:]


def pixel_bomb() -> bytes:
    """Return a PNG of 50,000 x 50,000 pixels of one bit: 300 KB that would be gigabytes."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", deflated(50_000 * 6251)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    """Return a TIFF with a directory of (tag, type, count, value)."""
    parts = [struct.pack("<HHII", *entry) for entry in entries]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(parts) + bytes(4) + tail


def tiff_that_lies(*, count: int = 1, offset: int = 200) -> bytes:
    """Return a TIFF of 64 x 64 whose only strip is said to lie somewhere, or to be very many."""
    plain = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return tiff(*plain, (273, 4, count, offset), (277, 3, 1, 1), (278, 4, 1, 64), (279, 4, 1, 4096), tail=bytes(64))


def tiff_in_a_circle() -> bytes:
    """Return a TIFF whose second directory is the first again."""
    data = bytearray(encoded(picture(8, 8), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (n_entries,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * n_entries, start)
    return bytes(data)


def header(name: bytes, size: int = 0, kind: bytes = tarfile.REGTYPE, size_field: bytes | None = None) -> bytes:
    """Return the header of a tar's member, with a checksum that is right."""
    head = bytearray(512)
    head[: len(name)] = name
    head[100:108] = b"0000644\0"
    head[124:136] = size_field or b"%011o\0" % size
    head[148:156] = b" " * 8
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def member(name: bytes, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a member of a tar, header and data."""
    return header(name, len(data), kind) + data + bytes(-len(data) % 512)


def image_member(name: bytes) -> bytes:
    """Return a member that is a good PNG."""
    return member(name, encoded(picture()))


def tar_with(*parts: bytes) -> bytes:
    """Return a tar of some bytes, between two good images."""
    return image_member(b"a.png") + b"".join(parts) + image_member(b"z.png") + bytes(1024)


def special(name: str, kind: bytes, target: str = "") -> bytes:
    """Return the header of a link, device or pipe."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf(tarfile.GNU_FORMAT)


def named(name: str, format: int) -> bytes:
    """Return a tar of one image, in a format."""
    data = encoded(picture())
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(format) + data + bytes(-len(data) % 512) + bytes(1024)


def with_sidecar(data: bytes) -> bytes:
    """Return a tar of one image and its JSON."""
    return image_member(b"a.png") + member(b"a.json", data) + bytes(1024)


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


def _icc_of_srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _images() -> Iterator[Hostile]:
    yield Hostile("zero bytes", "a.jpg", lambda: b"", "empty file")
    for format in ("JPEG", "PNG", "WEBP", "GIF"):
        name = f"a.{format.lower()}"
        cut = "damaged image" if format == "WEBP" else "truncated image"
        yield Hostile(f"half a {format}", name, partial(half, encoded(picture(), format)), cut)
    yield Hostile("text named `.jpg`", "a.jpg", lambda: b"hello, this is text", "not an image")
    yield Hostile(
        "PNG of 50,000 x 50,000 pixels, 1 bit each",
        "a.png",
        pixel_bomb,
        "too many pixels: 2500000000 > 178956970",
    )
    yield Hostile(
        "PNG with 100 MB of compressed text (zTXt)",
        "a.png",
        lambda: png_with((b"zTXt", b"k\0\0" + deflated(100 * 2**20))),
        "too much compressed metadata",
    )
    yield Hostile(
        "PNG with a colour profile of 100 MB, compressed (iCCP)",
        "a.png",
        lambda: png_with((b"iCCP", b"k\0\0" + deflated(100 * 2**20))),
        "too much compressed metadata",
    )
    yield Hostile(
        "PNG with 70 texts of 1 MB",
        "a.png",
        lambda: png_with(*[(b"zTXt", b"k\0\0" + deflated(2**20))] * 70),
        "too much compressed metadata",
    )
    yield Hostile(
        "TIFF whose strip lies after the end of the file",
        "a.tif",
        lambda: tiff_that_lies(offset=2**31),
        "truncated image",
    )
    yield Hostile("TIFF of 4,000,000,000 strips", "a.tif", lambda: tiff_that_lies(count=4 * 10**9), "damaged image")
    yield Hostile("TIFF whose directories go round in a circle", "a.tif", tiff_in_a_circle, "read: 8 x 8 RGB TIFF")
    yield Hostile(
        "PNG of 100,000 x 1 pixels", "a.png", lambda: encoded(picture(100_000, 1)), "read: 100000 x 1 RGB PNG"
    )
    for format, mode in (("GIF", "P"), ("WEBP", "RGB"), ("PNG", "RGB")):
        yield Hostile(
            f"animated {format}",
            f"a.{format.lower()}",
            partial(animation, format),
            f"read: 8 x 8 {mode} {format}, 3 frames",
        )
    yield Hostile("CMYK JPEG", "a.jpg", lambda: encoded(picture(mode="CMYK"), "JPEG"), "read: 40 x 30 CMYK JPEG")
    yield Hostile(
        "16-bit grey PNG", "a.png", lambda: encoded(Image.new("I;16", (40, 30), 999)), "read: 40 x 30 I;16 PNG"
    )
    yield Hostile("palette PNG", "a.png", lambda: encoded(picture(mode="P")), "read: 40 x 30 P PNG")
    yield Hostile("PNG with alpha", "a.png", lambda: encoded(picture(mode="RGBA")), "read: 40 x 30 RGBA PNG")
    yield Hostile(
        "JPEG with a colour profile",
        "a.jpg",
        lambda: encoded(picture(), "JPEG", icc_profile=_icc_of_srgb()),
        "read: 40 x 30 RGB JPEG",
    )
    yield Hostile(
        "JPEG with nonsense for a profile",
        "a.jpg",
        lambda: encoded(picture(), "JPEG", icc_profile=b"?" * 99),
        "read: 40 x 30 RGB JPEG",
    )
    yield Hostile("PNG named `.jpg`", "a.jpg", lambda: encoded(picture()), READ)
    for orientation in range(1, 9):
        upright = "40 x 30" if orientation < 5 else "30 x 40"
        what = f"JPEG of 40 x 30, EXIF orientation {orientation}"
        yield Hostile(what, "a.jpg", partial(turned, orientation), f"read: {upright} RGB JPEG")
    yield Hostile("EXIF orientation 9", "a.jpg", lambda: turned(9), "read: 40 x 30 RGB JPEG")
    yield Hostile("SVG", "a.svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "format not accepted: SVG")
    yield Hostile("PDF", "a.jpg", lambda: b"%PDF-1.7\n", "format not accepted: PDF")
    yield Hostile("EPS", "a.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "format not accepted: EPS")
    yield Hostile(
        "a video named as HEIC",
        "a.heic",
        lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42",
        "a video (MP4 or QuickTime): save its frames as pictures",
    )
    yield Hostile("AVIF", "a.avif", lambda: encoded(picture(), "AVIF"), "read: 40 x 30 RGB AVIF")
    yield Hostile("half an AVIF", "a.avif", lambda: half(encoded(picture(), "AVIF")), "damaged image")


def _tars() -> Iterator[Hostile]:
    yield Hostile(
        "tar: member `../a.png`", "s.tar", lambda: tar_with(image_member(b"../b.png")), f"`a`, `../b`, `z`: {READ}"
    )
    yield Hostile(
        "tar: member `/etc/b.png`",
        "s.tar",
        lambda: tar_with(image_member(b"/etc/b.png")),
        f"`a`, `/etc/b`, `z`: {READ}",
    )
    links = [("symbolic link", tarfile.SYMTYPE), ("hard link", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)]
    for what, kind in [*links, ("pipe", tarfile.FIFOTYPE)]:
        link = special("b.png", kind, "/etc/passwd")
        yield Hostile(f"tar: {what}", "s.tar", partial(tar_with, link), f"{AROUND}; `b`: not a regular file")
    yield Hostile(
        "tar: one key twice, apart",
        "s.tar",
        lambda: tar_with(image_member(b"b.png"), image_member(b"a.png")),
        f"`a`, `b`, `a`, `z`: {READ}",
    )
    yield Hostile(
        "tar: one name twice in a row",
        "s.tar",
        lambda: image_member(b"a.png") * 2 + bytes(1024),
        f"`a.png`, `a.png`: {READ}",
    )
    yield Hostile(
        "tar: a label without image",
        "s.tar",
        lambda: tar_with(member(b"b.cls", b"7")),
        f"{AROUND}; `b`: no image among the members: cls",
    )
    yield Hostile(
        "tar: a name with a newline",
        "s.tar",
        lambda: named("b\nc.png", tarfile.PAX_FORMAT),
        READ,
    )
    yield Hostile(
        "tar: name of 3,000 letters (pax)",
        "s.tar",
        lambda: named("é" * 3000 + ".png", tarfile.PAX_FORMAT),
        READ,
    )
    yield Hostile(
        "tar: name of 3,000 letters (GNU)", "s.tar", lambda: named("é" * 3000 + ".png", tarfile.GNU_FORMAT), READ
    )
    yield Hostile(
        "tar: name of 1,000,000 letters", "s.tar", lambda: named("x" * 10**6 + ".png", tarfile.GNU_FORMAT), "not a tar"
    )
    yield Hostile(
        "tar: a pax header of 60,000 digits (CVE-2024-6232)",
        "s.tar",
        lambda: tar_with(member(b"h", b"1" * 60_000, tarfile.XHDTYPE)),
        f"`a`: {READ}; `a`: damaged tar: no header at byte N",
    )
    yield Hostile(
        "tar: 5,000 pax headers in a row",
        "s.tar",
        lambda: tar_with(member(b"h", b"20 comment=aaaaaaaa\n", tarfile.XHDTYPE) * 5000),
        f"`a`: {READ}; `a`: damaged tar: no header at byte N",
    )
    yield Hostile(
        "tar: a sparse file",
        "s.tar",
        lambda: tar_with(header(b"b.png", kind=tarfile.GNUTYPE_SPARSE)),
        f"{AROUND}; `b`: not a regular file",
    )
    yield Hostile("tar: cut in its last block", "s.tar", lambda: tar_with()[:-1300], f"{AROUND}; `z`: truncated tar")
    yield Hostile(
        "tar: a tar inside",
        "s.tar",
        lambda: tar_with(member(b"b.tar", tar_with())),
        f"{AROUND}; `b`: a tar that is not opened here: make it a file whose name ends with .tar",
    )
    yield Hostile(
        "tar: garbage after its end",
        "s.tar",
        lambda: tar_with() + b"garbage" * 99,
        f"{AROUND}; `z`: damaged tar: more data after its end at byte N",
    )
    yield Hostile(
        "tar: a size of -1,024",
        "s.tar",
        lambda: tar_with(header(b"b.png", size_field=(2**96 - 1024).to_bytes(12, "big"))),
        f"`a`: {READ}; `a`: damaged tar: no header at byte N",
    )
    yield Hostile(
        "tar: a size of 2^80",
        "s.tar",
        lambda: tar_with(header(b"b.png", size_field=(2**95 + 2**80).to_bytes(12, "big"))),
        f"`a`: {READ}; `b`: truncated tar",
    )


def _fields() -> Iterator[Hostile]:
    yield Hostile(
        "JSON nested 500 deep",
        "s.tar",
        lambda: with_sidecar(b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}"),
        f"{READ} (`windrow_error`: json: nested deeper than 100)",
    )
    yield Hostile(
        "JSON nested 100,000 deep",
        "s.tar",
        lambda: with_sidecar(b"[" * 100_000 + b"]" * 100_000),
        f"{READ} (`windrow_error`: json: nested deeper than 100)",
    )
    yield Hostile(
        "JSON of 2 MB",
        "s.tar",
        lambda: with_sidecar(b'"' + b"x" * 2 * 2**20 + b'"'),
        f"{READ} (`windrow_error`: json: larger than 1048576 bytes)",
    )
    yield Hostile(
        "JSON that is not UTF-8",
        "s.tar",
        lambda: with_sidecar(b'{"label": "\xff"}'),
        f"{READ} (`windrow_error`: json: not UTF-8)",
    )
    yield Hostile(
        "JSON with NaN for a label",
        "s.tar",
        lambda: with_sidecar(b'{"label": NaN}'),
        READ,
    )
    yield Hostile(
        "JSON with a key twice: the last counts",
        "s.tar",
        lambda: with_sidecar(b'{"label": 1, "label": 2}'),
        f"{READ}, label 2",
    )
    yield Hostile(
        "JSON with a number of 5,000 digits",
        "s.tar",
        lambda: with_sidecar(b"9" * 5000),
        f"{READ} (`windrow_error`: json: does not parse)",
    )


def _parquets() -> Iterator[Hostile]:
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


HOSTILE = [*_images(), *_tars(), *_fields(), *_parquets()]
