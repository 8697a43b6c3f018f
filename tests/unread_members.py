"""Files that come with samples and that no decoder gets past, by the extension under which they came; and good ones."""

import bz2
import gzip
import io
import json
import pickle

import numpy as np
from PIL import Image


def array(values: np.ndarray, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, values, **options)
    return out.getvalue()


def arrays(**values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **values)
    return out.getvalue()


def mask() -> bytes:
    out = io.BytesIO()
    Image.new("L", (8, 8), 1).save(out, "PNG")
    return out.getvalue()


def claims_much() -> bytes:
    """Return the header of an array of a terabyte, and nothing else."""
    return array(np.zeros(3)).replace(b"(3,), ", b"(9" + b"9" * 11 + b",), ")[:128]


GOOD = {
    "txt": "naß".encode(),
    "meta.json": b'{"a": [1, null]}',
    "seg.png": mask(),
    "emb.npy": array(np.arange(3.0)),
    "more.npz": arrays(a=np.arange(3)),
    "count.index": b"12\n",
    "notes.json.gz": gzip.compress(b"{}"),
    "notes.md": b"\xff",
    "bin": b"\0\xff",
}
UNREAD = {
    "cls": b"wheat",
    "json": b'{"cut": ',
    "depth.cls": b"a class name",
    "a.id": b"img_0001",
    "b.index": b"",
    "latin.txt": "naß".encode("latin-1"),
    "cut.text": "ß".encode()[:1],
    "half.transcript": b"\xc3",
    "empty.json": b"",
    "bad.jsn": b"{'single': 1}",
    "deep.json": b"[" * 900 + b"]" * 900,
    "empty.npy": b"",
    "cut.npy": array(np.arange(99.0))[:-8],
    "object.npy": array(np.array([{}], dtype=object), allow_pickle=True),
    "much.npy": claims_much(),
    "cut.npz": arrays(a=np.arange(9))[:-9],
    "text.npz": b"no archive",
    "mask.png": mask()[:-30],
    "depth.jpg": b"not a picture",
    "what.mpg": b"a film",
    "what.h5": b"\x89HDF\r\n",
    "what.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "run.pkl": pickle.dumps({"it": "runs"}),
    "run.pyd": b"\x80",
    "run.pth": b"",
    "run.pt": b"",
    "what.mp": b"\xc1",
    "what.msg": b"\x81",
    "what.cbor": b"\xff",
    "what.ten": b"~TenBin~",
    "cut.json.gz": gzip.compress(b"{}")[:-4],
    "inner.json.gz": gzip.compress(b"{"),
    "bomb.txt.gz": gzip.compress(bytes(65 * 2**20)),
    "twice.cls.bz2": bz2.compress(b"x"),
    "zst": b"(\xb5/\xfd",
}
"""What no decoder may see under this name."""

DESCRIPTION = json.dumps({"caption": "a field", "author": "A. N. Other"}).encode()
