"""Tars written member by member, and what is found in them."""

import io
import tarfile
from collections.abc import Sequence
from typing import Any

from windrow.tasks.storage.sources.source_shard import Found, IngestConfig
from windrow.tasks.storage.sources.tar_source import iterate_tar

Members = Sequence[tuple[str, bytes]]


def tar_bytes(members: Members, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def with_checksum(data: bytearray, start: int, patch: bytes) -> None:
    """Change bytes of a header and make its checksum right again."""
    data[start : start + len(patch)] = patch
    header = start // 512 * 512
    data[header + 148 : header + 156] = b" " * 8
    data[header + 148 : header + 156] = b"%06o\0 " % sum(data[header : header + 512])


def read(data: bytes, **config: Any) -> list[Found]:
    found = list(iterate_tar(io.BytesIO(data), "shard.tar", IngestConfig(**config)))
    positions = [one.position for one in found]
    assert positions == sorted(set(positions))
    for one in found:
        assert (one.data is None) == (one.error is not None)
        if one.data is not None:
            assert one.byte_offset is not None and one.byte_length == len(one.data)
            assert data[one.byte_offset : one.byte_offset + one.byte_length] == one.data
    return found
