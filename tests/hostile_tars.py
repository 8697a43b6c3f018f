"""Tars whose members, headers and sidecars are hostile."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial

from hostile_case import READ, Hostile
from hostile_pictures import encoded, picture

AROUND = f"`a`, `z`: {READ}"


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


def tars() -> Iterator[Hostile]:
    """Yield tars."""
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


def fields() -> Iterator[Hostile]:
    """Yield tars of a good picture and a JSON."""
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
