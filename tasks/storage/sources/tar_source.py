"""Tars: the members with one key are a sample and what comes with it (the WebDataset convention).

The key is a member's path up to the first dot of its name, the extension the rest. Members with one key follow each
other. Which of them are the occurrences of the key, and which accompany these, is told by `key_members`. Nothing is
extracted: `byte_offset` and `byte_length` say where the bytes lie in the tar.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from windrow.tasks.storage.sources.beside.key_members import Told, roles_of
from windrow.tasks.storage.sources.beside.tar_tables import said_of_keys
from windrow.tasks.storage.sources.listing.source_place import SourcePlace, is_hidden
from windrow.tasks.storage.sources.source import OpenFiles, Reading, Row, SampleGone, Source, checked, open_shard
from windrow.tasks.storage.sources.source_fields import MAX_SIDECAR_BYTES, Fields, Layer, Sidecar, read_sidecars
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    Member,
    SourceFile,
    SourceShard,
    too_large,
)
from windrow.tasks.storage.sources.unpacking import TAR_ENDINGS, is_compressed, unpack
from windrow.tasks.storage.store.outputs import fingerprint

MAX_HEADER_BYTES = 2**16
Beneath = Callable[[str], Sequence[Layer]]
"""What is known of a key beside its members."""
_OCTAL = re.compile(rb"[0-7]+")
# What tarfile raises on headers: 100,000 tars with random damage, and headers before headers, led to no other kind.
_DAMAGED = (tarfile.TarError, ValueError, OverflowError, LookupError, RecursionError)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
_LONG_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _BoundedInfo(tarfile.TarInfo):
    """A header that is refused when reading it would take memory or time that a file name is not worth."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG_HEADERS:
            if not 0 <= self.size <= MAX_HEADER_BYTES:
                raise ValueError(f"a header of {self.size} bytes")
            start = tar.fileobj.tell()  # type: ignore[union-attr]
            # Before 3.11.10 tarfile takes time by the square of the digits in a row: seconds for each 64 KiB.
            if re.search(rb"\d{200}", tar.fileobj.read(self.size)):  # type: ignore[union-attr]
                raise ValueError("a header with 200 digits in a row")
            tar.fileobj.seek(start)  # type: ignore[union-attr]
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


@dataclass(frozen=True)
class _Member:
    """A file or link of the tar; `error` says why its data cannot be used. `ends_tar`: nothing after it can be read."""

    position: int
    key: str
    extension: str | None
    offset: int = 0
    size: int = 0
    error: str | None = None
    ends_tar: bool = False


class TarSource(Source):
    """A tar is a shard. One that is compressed is unpacked into the store."""

    def takes(self, path: str) -> bool:
        return path.lower().endswith(TAR_ENDINGS)

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> Iterator[SourceShard]:
        for file in files:
            identity = file.identity if file.table is None else fingerprint([file.identity, file.table.identity])
            table = file.table.path if file.table else None
            yield SourceShard(
                place.source, "tar", file.path, identity, error=file.error, table=table, reach=place.reach
            )

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        file = open_shard(shard)
        if isinstance(file, Found):
            yield file
            return
        beneath, columns = said_of_keys(shard, config)
        with file:
            if copy is not None and (config.mode == "copy" or is_compressed(file)):
                reason = unpack(file, copy)
                with copy.open("rb") as unpacked:
                    found = iterate_tar(unpacked, shard.name, config, reason, beneath)
                    yield from (replace(one, columns=columns) for one in found) if columns else found
            else:
                found = iterate_tar(file, shard.name, config, None, beneath)
                yield from (replace(one, columns=columns) for one in found) if columns else found

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        return read_packed(opened.open(rows), rows, with_members)

    def keeps(self, shard: SourceShard, config: IngestConfig, key: str | None = None) -> bool:
        return False  # a copy is the whole tar


def iterate_tar(
    file: BinaryIO, name: str, config: IngestConfig, cut: str | None = None, beneath: Beneath | None = None
) -> Iterator[Found]:
    """Yield every occurrence of a tar, in order of `position`, the number of the member in the tar.

    Folders and hidden members are left out. Of a tar that is cut short or damaged, what comes before is kept and one
    occurrence says so for all the rest; cut: why, where that is known. `name` is the key of an occurrence that no
    member names. beneath: what is said of keys elsewhere, which counts where their members say nothing.
    """
    for key, members in groupby(_members(file, name, cut), key=lambda member: member.key):
        yield from _occurrences(file, key, list(members), config, beneath(key) if beneath else ())


def read_packed(file: BinaryIO | str, rows: Mapping[int, Row], with_members: bool) -> Reading:
    """Return the bytes that lie in a tar where rows of OCCURRENCES say; instead of a file, the reason why it is not."""
    if isinstance(file, str):
        return {n: SampleGone(file) for n in rows}
    found: Reading = {}
    for n, row in rows.items():
        data = read_range(file, row["byte_offset"], row["byte_length"])
        members = {
            member["extension"]: read_range(file, member["byte_offset"], member["byte_length"])
            for member in (row["members"] or () if with_members else ())
        }
        found[n] = checked(data, row, members)
    return found


def read_range(file: BinaryIO, offset: int, length: int) -> bytes:
    """Return bytes of a tar; fewer than `length` when it ends before."""
    file.seek(offset)
    return file.read(length)


def split_member(path: str) -> tuple[str, str | None]:
    """Split a member's path at the first dot of its name: 'a/b.seg.PNG' gives ('a/b', 'seg.png')."""
    folder, slash, name = path.removeprefix("./").rpartition("/")
    stem, _, extension = name.partition(".")
    return folder + slash + stem, extension.lower() or None


def _occurrences(
    file: BinaryIO, key: str, members: list[_Member], config: IngestConfig, beneath: Sequence[Layer]
) -> Iterator[Found]:
    ends = [member for member in members if member.ends_tar]
    members = [member for member in members if not member.ends_tar] if ends else members
    extensions = [member.extension or "" for member in members]
    roles = roles_of(extensions, config.image_members, config.label_key, config.caption_key)
    for number, told in zip(roles.samples, roles.told, strict=True):
        member = members[number]
        fields = read_sidecars([_sidecar(file, members, one) for one in told], config, beneath)
        name = key if len(roles.samples) == 1 else f"{key}.{member.extension or ''}"
        yield _found(file, name, member, _beside(member, members, config), fields, config)
    if not roles.samples and not ends:
        yield Found(members[0].position, key, None, error=_no_sample(extensions, config))
    for member in ends:
        yield Found(member.position, key, member.extension, error=member.error)


def _no_sample(extensions: Sequence[str], config: IngestConfig) -> str:
    wanted = "image" if config.image_members in (("auto",), ("all",)) else " or ".join(config.image_members)
    return f"no {wanted} among the members: {', '.join(sorted(set(extensions)))}"


def _beside(member: _Member, members: list[_Member], config: IngestConfig) -> tuple[Member, ...]:
    others = [each for each in members if each is not member and not each.error and each.size <= config.max_bytes]
    return tuple(Member(each.extension or "", each.offset, each.size) for each in others)


def _found(
    file: BinaryIO, key: str, member: _Member, others: tuple[Member, ...], fields: Fields, config: IngestConfig
) -> Found:
    error = member.error or too_large(member.size, config)
    return Found(
        position=member.position,
        key=key,
        extension=member.extension,
        byte_offset=None if member.error else member.offset,
        byte_length=None if member.error else member.size,
        data=None if error else read_range(file, member.offset, member.size),
        error=error,
        members=others,
        **vars(fields),
    )


def _sidecar(file: BinaryIO, members: Sequence[_Member], told: Told) -> Sidecar:
    member = members[told.number]
    too_long = f"larger than {MAX_SIDECAR_BYTES} bytes" if member.size > MAX_SIDECAR_BYTES else None
    data = too_long or member.error or read_range(file, member.offset, member.size)
    return Sidecar(member.extension or "", told.kind, data)


def _members(file: BinaryIO, name: str, cut: str | None) -> Iterator[_Member]:
    size = file.seek(0, 2)
    key, position = name, -1
    for position, info in enumerate(_headers(file, size)):
        if isinstance(info, str):
            yield _Member(position, key, None, error=cut or info, ends_tar=True)
            return
        elif info.isdir() or is_hidden(info.name):
            continue
        elif not info.isreg() or info.issparse():
            key, extension = split_member(info.name)
            yield _Member(position, key, extension, error="not a regular file")
        else:
            key, extension = split_member(info.name)
            is_cut = info.offset_data + info.size > size
            error = (cut or "truncated tar") if is_cut else None
            yield _Member(position, key, extension, info.offset_data, info.size, error, is_cut)
            if is_cut:
                return
    if cut:
        yield _Member(position + 1, key, None, error=cut, ends_tar=True)


def _headers(file: BinaryIO, size: int) -> Iterator[tarfile.TarInfo | str]:
    """Yield the headers of a tar, then the reason (a str) when something is wrong with it.

    `tarfile` takes a broken header for the end of the tar, so what lies at the end is looked at here.
    """
    file.seek(0)
    reason: str | None
    try:
        tar = tarfile.TarFile(fileobj=file, tarinfo=_BoundedInfo, errors="backslashreplace")
    except _DAMAGED:
        yield _not_a_tar(file, size)
        return
    offset = 0
    while True:
        try:
            info = _plain_header(file, tar) or tar.next()
        except _DAMAGED:
            yield "truncated tar" if file.tell() >= size else f"damaged tar: no header at byte {tar.offset}"
            return
        if info is None:
            break
        if tar.offset <= offset or info.size < 0:
            yield f"damaged tar: no header at byte {offset}"
            return
        offset = tar.offset
        tar.members.clear()  # type: ignore[attr-defined]  # it keeps every header it has read
        yield info
    reason = _wrong_end(file, tar.offset)
    if reason:
        yield reason


def _plain_header(file: BinaryIO, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the next header, and go on to the one after it, when it is of the plainest kind; None of every other.

    `tarfile` takes longer for a header than hashing a small photograph does.
    """
    opened = tar.firstmember is not None  # type: ignore[attr-defined]  # the first was read when it was opened
    if opened or tar.pax_headers:  # what holds for all that follow
        return None
    file.seek(tar.offset)
    block = file.read(tarfile.BLOCKSIZE)
    name, size, checksum = block[:100].partition(b"\0")[0], block[124:136].strip(b" \0"), block[148:156].strip(b" \0")
    is_plain = block[156:157] in _REGULAR and block[257:262] == b"ustar" and not any(block[345:])
    if not is_plain or not _OCTAL.fullmatch(size) or not _OCTAL.fullmatch(checksum):
        return None
    if not name.isascii() or not name or name.endswith(b"/"):
        return None
    if int(checksum, 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        return None
    info = tarfile.TarInfo(name.decode())
    info.size, info.offset, info.offset_data = int(size, 8), tar.offset, tar.offset + tarfile.BLOCKSIZE
    tar.offset = info.offset_data - (-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return info


def _not_a_tar(file: BinaryIO, size: int) -> str:
    if size == 0:
        return "empty file"
    return "compressed, and no tar inside" if is_compressed(file) else "not a tar"


def _wrong_end(file: BinaryIO, offset: int) -> str | None:
    block = read_range(file, offset, tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        return "truncated tar"
    if any(block):
        return f"damaged tar: no header at byte {offset}"
    while block := file.read(2**20):
        if block.count(0) < len(block):
            return f"damaged tar: more data after its end at byte {offset}"
    return None
