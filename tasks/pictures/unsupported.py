"""What a header says of a good picture that is not decoded here: 'not supported: ...', so that it is not damaged.

Only what the format allows is said to be a picture; a header that contradicts itself, or the length of its file, is
damage.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from windrow.tasks.pictures.jpeg_scans import frame_kind

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_CODINGS = frozenset((34661, 34712, 34676, 34677, 34887, 50001, 50002, 52546))
"""JBIG, JPEG 2000, SGI log, LERC, WebP, JPEG XL: libtiff may be built without them."""
_JPEG_KINDS = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA), "JPEG with arithmetic coding"),
    0xF7: "JPEG-LS",
}
_SAMPLES = {1: "{} bits", 2: "{} bits with sign", 3: "{}-bit floats", 4: "{} bits", 5: "complex integers of {} bits",
            6: "complex floats of {} bits"}  # fmt: skip
_INKS = {3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "colour filter array",
         32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}  # fmt: skip


def why_unsupported(data: bytes, was_opened: bool = False) -> str | None:
    """Return what a picture is that no decoder here reads, None where it is damaged or none of these.

    `was_opened`: Pillow knew the header, and only what its decoders do not read may still be the cause.
    """
    try:
        if data[:3] == b"\xff\xd8\xff":
            what = _jpeg(data)
        elif was_opened:
            what = _tiff_coding(data)
        elif data[:4] in TIFF_STARTS:
            what = _tiff(data)
        elif b"\xff\x4f\xff\x51" in data[:4096]:
            what = _jpeg_2000(data)
        elif data[:2] == b"BM":
            what = _bmp(data)
        else:
            what = None
    except Exception:  # whatever is wrong with the header, it is no header of a good picture
        return None
    return what and f"not supported: {what}"


def _jpeg(data: bytes) -> str | None:
    found = frame_kind(data)
    if found is None:
        return None
    marker, bits, components = found
    if marker in _JPEG_KINDS:
        return _JPEG_KINDS[marker]
    if bits == 12:
        return "JPEG of 12 bits"
    return None if components in (1, 3, 4) or components == 0 else f"JPEG of {components} components"


def _jpeg_2000(data: bytes) -> str | None:
    start = data.index(b"\xff\x4f\xff\x51") + 40
    (n,) = struct.unpack_from(">H", data, start)
    parts = [data[start + 2 + 3 * at : start + 5 + 3 * at] for at in range(n)]
    if not 1 <= n <= 16384 or len(parts[-1]) < 3 or any(part[0] & 127 > 37 for part in parts):
        return None
    bits = max((part[0] & 127) + 1 for part in parts)
    if n > 4 or bits > 16:
        return f"JPEG 2000 of {n} {'component' if n == 1 else 'components'} of {bits} bits"
    sampled = any(part[1:] != b"\1\1" for part in parts)
    return f"JPEG 2000 of {n} components of different sizes" if sampled else None


def _bmp(data: bytes) -> str | None:
    size, bits, packing = (struct.unpack_from(kind, data, at)[0] for kind, at in (("<I", 14), ("<H", 28), ("<I", 30)))
    if size not in (12, 40, 52, 56, 64, 108, 124) or bits not in (0, 1, 2, 4, 8, 16, 24, 32, 64):
        return None
    if size > 12 and packing in (4, 5):
        return f"BMP that holds a {'JPEG' if packing == 4 else 'PNG'}"
    return f"BMP of {bits} bits" if packing in (0, 3, 6) else None


def _tiff(data: bytes) -> str | None:
    tags = _tags(data)
    n_bands = int(tags.get(277, 1))
    bits, kinds = _numbers(tags.get(258, 1)), _numbers(tags.get(339, 1))
    kind = kinds[0]
    if not _is_filled(tags, len(data)) or kind not in _SAMPLES or not all(0 < each <= 128 for each in bits):
        return None
    if len(bits) not in (1, n_bands) or not 1 <= n_bands <= 65535:
        return None
    each = _SAMPLES[kind].format(bits[0] if len(set(bits)) == 1 else " and ".join(map(str, bits[:4])))
    ink = _INKS.get(int(tags.get(262, 1)), "")
    named = f"{ink} TIFF" if ink else "TIFF"
    packing = int(tags.get(259, 1))
    packed = f", compression {packing}" if packing not in (1, 5, 8, 32773, 32946) else ""
    return f"{named} of {n_bands} {'band' if n_bands == 1 else 'bands'} of {each}{packed}"


def _tiff_coding(data: bytes) -> str | None:
    if data[:4] not in TIFF_STARTS:
        return None
    coding = int(_tags(data).get(259, 1))
    return f"TIFF, compression {coding}" if coding in _TIFF_CODINGS else None


def _tags(data: bytes) -> Mapping[int, Any]:
    """Return the tags of the first directory, as Pillow reads them."""
    big = data[2:3] == b"+" or data[3:4] == b"+"
    directory = ImageFileDirectory_v2(data[: 16 if big else 8])
    file = io.BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    return dict(directory)


def _is_filled(tags: Mapping[int, Any], n_bytes: int) -> bool:
    """Say whether there are a size and pixels inside the file."""
    if not (int(tags.get(256, 0)) > 0 and int(tags.get(257, 0)) > 0):
        return False
    starts = _numbers(tags.get(273, tags.get(324, ())))
    lengths = _numbers(tags.get(279, tags.get(325, ())))
    return (
        bool(starts)
        and len(starts) == len(lengths)
        and all(start > 0 and start + length <= n_bytes for start, length in zip(starts, lengths, strict=True))
    )


def _numbers(value: int | Iterable[int]) -> list[int]:
    return [int(value)] if isinstance(value, int) else [int(each) for each in value]
