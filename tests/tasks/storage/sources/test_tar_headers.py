"""Headers of tars: names of every format, and what becomes of damaged ones and of what is no tar."""

import io
import tarfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tar_files import read, tar_bytes, with_checksum

from windrow.tasks.storage.sources import tar_source
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.sources.tar_source import iterate_tar


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"this is no tar" * 100, "not a tar"),
        (b"\x1f\x8b\x08" + bytes(2000), "compressed, and no tar inside"),
    ],
)
def test_what_is_no_tar_is_one_unreadable_occurrence(data: bytes, reason: str) -> None:
    assert [(one.key, one.error) for one in read(data)] == [("shard.tar", reason)]


def test_headers_that_only_announce_headers_are_no_tar() -> None:
    announcing = tar_bytes([("é" * 200 + ".png", b"")])[:1024]  # a pax header and what it holds
    assert [one.error for one in read(announcing * 3000 + bytes(1024))] == ["not a tar"]


@pytest.mark.parametrize("at", [0, 2048], ids=["the first header", "a later one"])
@pytest.mark.parametrize("failure", [MemoryError, OSError, RuntimeError])
def test_a_failure_that_is_not_the_tars_is_not_taken_for_damage(failure: type[Exception], at: int) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= at and size == 512:
                raise failure
            return super().read(size)

    file = Failing(tar_bytes([(f"{number}.png", b"12345678") for number in range(5)]))
    with pytest.raises(failure):
        list(iterate_tar(file, "shard.tar", IngestConfig()))


def test_a_tar_of_nothing_has_no_occurrences() -> None:
    assert read(tar_bytes([])) == []


@pytest.mark.parametrize("first", ["jpg", "cls"])
def test_wherever_a_tar_is_cut_what_is_whole_is_kept_and_one_occurrence_stands_for_the_rest(first: str) -> None:
    other = "cls" if first == "jpg" else "jpg"
    contents = {"jpg": b"j" * 700, "cls": b"1"}
    whole = tar_bytes([(f"{n}.{extension}", contents[extension]) for n in range(3) for extension in (first, other)])
    ends = [one.byte_offset + one.byte_length for one in read(whole) if one.byte_offset and one.byte_length]
    end_mark = whole.rindex(b"1") // 512 * 512 + 512 if first == "jpg" else (ends[-1] + 511) // 512 * 512
    for cut in range(1, end_mark + 512, 100):
        found = read(whole[:cut])
        assert [one.key for one in found if one.data] == [str(n) for n in range(3) if ends[n] <= cut]
        errors = [one.error for one in found if one.error]
        assert errors == ["truncated tar" if cut >= 512 else "not a tar"], cut


def test_a_damaged_header_in_the_middle_is_told_and_not_taken_for_the_end() -> None:
    data = bytearray(tar_bytes([("a.jpg", b"x"), ("b.jpg", b"y"), ("c.jpg", b"z")]))
    data[1024 + 10] ^= 0xFF
    found = read(bytes(data))
    assert [(one.key, one.error) for one in found] == [("a", None), ("a", "damaged tar: no header at byte 1024")]


def test_a_member_of_negative_size_does_not_send_the_reader_round_in_circles() -> None:
    data = bytearray(tar_bytes([("a.jpg", b"x"), ("b.jpg", b"y"), ("c.jpg", b"z")]))
    with_checksum(data, 1024 + 124, (2**96 - 1024).to_bytes(12, "big"))
    first, second = read(bytes(data))
    assert first.data == b"x"
    assert second.error is not None and second.error.startswith("damaged tar: no header at byte ")


def test_data_after_the_end_of_a_tar_is_told() -> None:
    one = tar_bytes([("a.jpg", b"x")])
    assert [found.error for found in read(one + one)] == [None, "damaged tar: more data after its end at byte 1024"]
    assert [found.error for found in read(one + bytes(50_000))] == [None]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_makes_it_raise(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    whole = bytearray(tar_bytes([("a.jpg", b"x" * 600), ("é" * 120 + ".jpg", b"y"), ("b.cls", b"1")], format)[:6144])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(whole) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=12) | st.just(b"\xff" * 12) | st.just(b"\x80" + b"\xff" * 11))
        if data.draw(st.booleans()):  # a checksum that is right lets the damage through
            with_checksum(whole, start, patch)
        else:
            whole[start : start + len(patch)] = patch
    read(bytes(whole))


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read_in_every_tar_format(format: int) -> None:
    name = "folder/" * 16 + "犬" * 20 + ".jpg"
    assert [one.key for one in read(tar_bytes([(name, b"x")], format))] == [name.removesuffix(".jpg")]


def test_a_name_that_is_not_utf8_is_spelt_out() -> None:
    data = bytearray(tar_bytes([("caf?.jpg", b"x")], tarfile.USTAR_FORMAT))
    with_checksum(data, 0, b"caf\xe9")
    assert [one.key for one in read(bytes(data))] == ["caf\\xe9"]


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=130).map(
    lambda name: name.lstrip("./") or "x"
)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])


@settings(deadline=None, max_examples=60)
@given(
    members=st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=1500)), max_size=8),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    comment=st.booleans(),
)
def test_headers_are_those_that_tarfile_reads(
    members: list[tuple[str, bytes, bytes]], form: int, comment: bool
) -> None:
    out = io.BytesIO()
    pax = {"comment": "for all"} if comment and form == tarfile.PAX_FORMAT else None
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers=pax, errors="surrogateescape") as tar:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere" if kind == tarfile.SYMTYPE else ""
            info.size = len(data) if kind in (tarfile.REGTYPE, tarfile.AREGTYPE) else 0
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:  # too long a name for this format
                continue
    out.seek(0)
    try:
        with tarfile.open(fileobj=out, mode="r:", errors="surrogateescape") as tar:
            expected = [(info.name, info.isreg(), info.size, info.offset_data) for info in tar]
    except tarfile.ReadError:  # it cannot read all that it writes
        assume(False)
    found = [each for each in tar_source._headers(out, len(out.getvalue())) if not isinstance(each, str)]
    assert [(info.name, info.isreg(), info.size, info.offset_data) for info in found] == expected
