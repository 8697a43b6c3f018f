"""Files that hold no picture but something else, told by how they begin, and what to do with each.

Who puts an archive or a data set of another kind into a source gets the reason, and the cure, as its outcome.
"""

from __future__ import annotations

import struct

HEAD_BYTES = 512
_ARCHIVE = "{}, which is not opened: unpack it, or make a tar of it"
_PACKED = "a compressed file ({}): unpack it"
_VIDEO = "a video ({}): save its frames as pictures"
_ARRAYS = "{}: save its pictures as files, or as rows of Parquet"
ARROW = "an Arrow file, as of `save_to_disk` of Hugging Face's datasets: write it as Parquet (`to_parquet`)"
_TFRECORD = "a TFRecord file: write its records as a WebDataset tar or as Parquet"
_CRC32C = 0x82F63B78

_BEGINS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"Rar!\x1a\x07", _ARCHIVE.format("a RAR archive")),
    (0, b"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("a 7z archive")),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (257, b"ustar", "a tar that is not opened here: make it a file whose name ends with .tar"),
    (0, b"\x1f\x8b", _PACKED.format("gzip")),
    (0, b"BZh", _PACKED.format("bzip2")),
    (0, b"\xfd7zXZ\0", _PACKED.format("xz")),
    (0, b"\x28\xb5\x2f\xfd", _PACKED.format("zstd")),
    (0, b"\x04\x22\x4d\x18", _PACKED.format("lz4")),
    (0, b"PAR1", "a Parquet file that is not named so: end its name with .parquet"),
    (0, b"ARROW1\0\0", ARROW),
    (0, b"FEA1", ARROW),
    (0, b"\x89HDF\r\n\x1a\n", _ARRAYS.format("an HDF5 file")),
    (0, b"\x93NUMPY", _ARRAYS.format("a NumPy array")),
    (0, b"CDF\x01", _ARRAYS.format("a netCDF file")),
    (0, b"MATLAB 5.0 MAT", _ARRAYS.format("a MATLAB file")),
    (0, b"SQLite format 3\0", _ARRAYS.format("an SQLite database")),
    (16, b"\xde\xc0\xef\xbe", _ARRAYS.format("an LMDB database")),
    (0, b"\x0a\x23\xd7\xce", _ARRAYS.format("an MXNet RecordIO file")),
    (128, b"DICM", "a DICOM file: save its picture as PNG or TIFF"),
    (0, b"\x1aE\xdf\xa3", _VIDEO.format("Matroska or WebM")),
    (0, b"FLV\x01", _VIDEO.format("FLV")),
    (0, b"\0\0\x01\xba", _VIDEO.format("MPEG")),
    (0, b"ID3", "a sound"),
    (0, b"OggS", "a sound or video (Ogg)"),
    (0, b"fLaC", "a sound (FLAC)"),
)
_VIDEO_BRANDS = tuple(b"isom iso2 iso4 iso5 iso6 mp41 mp42 avc1 dash qt M4V 3gp".split())
_EXTENSIONS = {
    "npz": _ARRAYS.format("NumPy arrays (.npz)"),
    "pkl": _ARRAYS.format("a Python pickle, which is never loaded"),
    "pickle": _ARRAYS.format("a Python pickle, which is never loaded"),
    "pt": _ARRAYS.format("a PyTorch file, which is never loaded"),
    "pth": _ARRAYS.format("a PyTorch file, which is never loaded"),
    "tfrecord": _TFRECORD,
    "tfrecords": _TFRECORD,
    "arrow": ARROW,
    "feather": ARROW,
    "mds": _ARRAYS.format("an MDS shard of MosaicML streaming"),
    "beton": _ARRAYS.format("an FFCV data set"),
    "rec": _ARRAYS.format("a RecordIO file"),
    "h5": _ARRAYS.format("an HDF5 file"),
    "hdf5": _ARRAYS.format("an HDF5 file"),
    "mdb": _ARRAYS.format("an LMDB database"),
    "zip": _ARCHIVE.format("a zip archive"),
    "rar": _ARCHIVE.format("a RAR archive"),
    "7z": _ARCHIVE.format("a 7z archive"),
}

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""What most files begin with, and nothing else does."""


def other_format(head: bytes) -> str | None:
    """Return what a file is, and the cure, by its first HEAD_BYTES bytes; None of what may be a picture."""
    if head.startswith(_PICTURES):
        return None
    for at, begin, reason in _BEGINS:
        if head.startswith(begin, at):
            return reason
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE"):
        return _VIDEO.format("AVI") if head[8:12] == b"AVI " else "a sound (WAV)"
    if head[4:8] == b"ftyp" and head[8:12].startswith(_VIDEO_BRANDS):
        return _VIDEO.format("MP4 or QuickTime")
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _EXTENSIONS["pkl"]
    if len(head) > 8 and head.startswith(b"\xff\xff\xff\xff") and 0 < struct.unpack("<i", head[4:8])[0] < 2**24:
        return ARROW
    if _is_idx(head):
        return _ARRAYS.format("an IDX file, as MNIST's")
    return _TFRECORD if _is_tfrecord(head) else None


def format_by_name(extension: str | None) -> str | None:
    """Return what a file is, and the cure, by an extension that no picture has; None of any other."""
    return _EXTENSIONS.get((extension or "").partition("-")[0])  # of tfrecord-00000-of-00010, too


def _zip(head: bytes) -> str:
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if name.endswith(b".npy"):
        return _EXTENSIONS["npz"]
    return _EXTENSIONS["pt"] if name.endswith(b"/data.pkl") else _EXTENSIONS["zip"]


def _is_idx(head: bytes) -> bool:
    """Two zeros, a type of numbers, and how many dimensions there are, which follow."""
    if len(head) < 16 or head[:2] != b"\0\0" or head[2] not in (8, 9, 11, 12, 13, 14) or not 1 <= head[3] <= 4:
        return False
    return all(0 < n < 2**24 for n in struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]]))


def _is_tfrecord(head: bytes) -> bool:
    """The length of the first record, and its CRC-32C, masked."""
    if head[6:8] != b"\0\0":  # no record is so long, and the sum takes a while
        return False
    crc = crc32c(head[:8])
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return len(head) >= 12 and masked == int.from_bytes(head[8:12], "little")


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of a few bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC32C if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
