import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.storage.files.tar_writer import TarWriter

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=120).filter(
    lambda name: not name.startswith("/") and not name.endswith("/") and "\x7f" not in name
)


def by_tarfile(name: str, data: bytes) -> bytes:
    """The same member by the standard library."""
    out = io.BytesIO()
    plain = name.isascii() and len(name) <= 100
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT if plain else tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o444
        tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@given(NAMES, st.binary(max_size=1100))
def test_a_member_has_the_bytes_that_tarfile_gives_it(name: str, data: bytes) -> None:
    out = io.BytesIO()
    with TarWriter(out) as writer:
        offset = writer.add(name, data)
    assert out.getvalue() == by_tarfile(name, data)
    assert out.getvalue()[offset : offset + len(data)] == data


@pytest.mark.parametrize("length", [99, 100, 101])
def test_names_about_as_long_as_a_header_holds_are_read_back(length: int) -> None:
    out, name = io.BytesIO(), "a" * length
    with TarWriter(out) as writer:
        writer.add(name, b"one")
        writer.add("b.cls", b"2")
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        assert tar.getnames() == [name, "b.cls"]
