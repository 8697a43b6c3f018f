"""Tars: WebDataset keys, byte offsets, and what becomes of damaged ones."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import webdataset as wds
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_export import read_with_webdataset

from windrow.tasks.storage.sources import tar_source
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig
from windrow.tasks.storage.sources.tar_source import iterate_tar, split_member

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


def test_what_webdataset_writes_is_read_with_its_label_caption_and_fields(tmp_path: Path) -> None:
    samples = [
        {"__key__": "a/000", "jpg": b"first", "cls": 3, "json": {"group": "g1", "lens": 50, "label": "dog"}},
        {"__key__": "a/001", "png": b"second", "txt": "a caption\n", "npy": b"not read"},
        {"__key__": "犬", "jpg": b"third", "json": {"label": 7, "caption": "a dog", "boxes": [[1, 2]]}},
    ]
    path = tmp_path / "shard.tar"
    with wds.TarWriter(str(path), encoder=False) as writer:
        for sample in samples:
            parts = {"cls": lambda value: str(value).encode(), "json": lambda value: json.dumps(value).encode()}
            parts |= {"txt": lambda value: value.encode()}
            writer.write({key: parts.get(key, lambda value: value)(value) for key, value in sample.items()})
    found = read(path.read_bytes())
    assert [(one.key, one.extension, one.data, one.label, one.caption, one.group) for one in found] == [
        ("a/000", "jpg", b"first", "3", None, "g1"),
        ("a/001", "png", b"second", None, "a caption", None),
        ("犬", "jpg", b"third", "7", "a dog", None),
    ]
    assert [one.metadata and json.loads(one.metadata) for one in found] == [
        {"lens": 50, "label": "dog"},
        None,
        {"boxes": [[1, 2]]},
    ]


def test_fields_are_named_by_the_config() -> None:
    data = tar_bytes([("a.jpg", b"x"), ("a.json", b'{"class": "cat", "patient": 12, "text": "purrs", "label": 1}')])
    [one] = read(data, label_key="class", group_key="patient", caption_key="text")
    assert (one.label, one.group, one.caption, one.metadata) == ("cat", "12", "purrs", '{"label": 1}')


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.jpg", ("a/b", "jpg")),
        ("./a/b.SEG.Png", ("a/b", "seg.png")),
        ("v1.2/b", ("v1.2/b", None)),
        ("b.", ("b", None)),
    ],
)
def test_the_key_ends_at_the_first_dot_of_the_name(path: str, expected: tuple[str, str | None]) -> None:
    assert split_member(path) == expected


@pytest.mark.parametrize(
    ("members", "choice", "samples"),
    [
        ("jpg seg.png cls bin", "auto", "jpg"),
        ("seg.png jpg", "auto", "jpg"),
        ("jpg png", "auto", "jpg png"),
        ("jpg png seg.png", "auto", "jpg png"),
        ("left.jpg right.jpg", "auto", "left.jpg right.jpg"),
        ("0.jpg 1.jpg 2.jpg", "auto", "0.jpg 1.jpg 2.jpg"),
        ("jpg 0.jpg 1.jpg", "auto", "jpg"),
        ("image.jpg mask.png depth.png", "auto", "image.jpg"),
        ("mask.png depth.png", "auto", "mask.png depth.png"),
        ("seg.png", "auto", "seg.png"),
        ("jpg seg.png", "all", "jpg seg.png"),
        ("jpg png seg.png", "jpg", "jpg"),
        ("jpg png seg.png", "png,seg.png", "png seg.png"),
        ("left.jpg right.jpg", ".LEFT.jpg", "left.jpg"),
        ("raw npy", "auto", "raw"),
        ("cls npy", "auto", ""),
        ("png seg.png", "jpg", ""),
    ],
)
def test_the_role_of_members(members: str, choice: str, samples: str) -> None:
    names = members.split()
    found = read(tar_bytes([(f"a.{name}", name.encode()) for name in names]), image_members=tuple(choice.split(",")))
    if not samples:
        wanted = "image" if choice == "auto" else choice
        assert [one.error for one in found] == [f"no {wanted} among the members: {', '.join(sorted(names))}"]
        return
    assert [one.extension for one in found] == samples.split()
    assert {one.key for one in found} == ({"a"} if len(found) == 1 else {f"a.{name}" for name in samples.split()})
    for one in found:  # what is no sample goes with those that are
        assert [member.extension for member in one.members] == [name for name in names if name != one.extension]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"jpg": "", "cls": "7"}, ("7", None)),
        ({"jpg": "", "label.cls": "7", "caption.txt": "a cat"}, ("7", "a cat")),
        ({"image.jpg": "", "label.cls": "7", "text.txt": "a cat"}, ("7", "a cat")),
        ({"jpg": "", "jpg.json": '{"label": "x"}'}, ("x", None)),
        ({"jpg": "", "jpg.json": '{"label": "x"}', "json": '{"label": "y"}'}, ("x", None)),
        ({"jpg": "", "jpg.txt": "a cat", "jpg.cls": "3"}, ("3", "a cat")),
        ({"2.jpg": "", "2.json": '{"label": "x"}'}, ("x", None)),
        ({"jpg": "", "meta.json": '{"label": "x", "caption": "y"}'}, ("x", "y")),
        ({"jpg": "", "label.txt": "dog", "ocr.txt": "STOP"}, ("dog", None)),
        ({"jpg": "", "label.json": "3"}, ("3", None)),
        ({"jpg": "", "label.json": '"cat"', "caption.json": '["one", "two"]'}, ("cat", "one")),
        ({"jpg": "", "class": "cat", "text": "words"}, ("cat", "words")),
        ({"jpg": "", "json": '{"label": ["cat"]}'}, ("cat", None)),
        ({"jpg": "", "json": '{"label": ["cat", "dog"]}'}, (None, None)),
    ],
)
def test_members_with_extensions_of_two_parts_are_read(
    members: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    [one] = read(tar_bytes([(f"a.{name}", text.encode()) for name, text in members.items()]))
    assert (one.label, one.caption) == expected


def test_what_is_said_of_one_image_of_a_key_is_not_said_of_the_other() -> None:
    members = {
        "2.jpg": "",
        "2.json": '{"label": "two"}',
        "3.jpg": "",
        "3.jpg.cls": "three",
        "json": '{"caption": "all"}',
    }
    found = read(tar_bytes([(f"v1.{name}", text.encode()) for name, text in members.items()]))
    assert [(one.key, one.label, one.caption) for one in found] == [
        ("v1.2.jpg", "two", "all"),
        ("v1.3.jpg", "three", "all"),
    ]


def test_webdataset_puts_the_same_members_under_a_key(tmp_path: Path) -> None:
    names = ["a/x.jpg", "a/x.seg.png", "a/x.1.cls", "v1.2.jpg", "v1.2.json", "b.c/d.label.cls", "b.c/d.jpg"]
    path = tmp_path / "s.tar"
    path.write_bytes(tar_bytes([(name, b"1") for name in names]))
    theirs = {
        sample["__key__"]: {k for k in sample if not k.startswith("__")} for sample in read_with_webdataset([str(path)])
    }
    ours = {one.key: {one.extension, *(member.extension for member in one.members)} for one in read(path.read_bytes())}
    assert ours == theirs


def test_a_member_of_an_unknown_extension_is_the_sample_where_no_other_is() -> None:
    assert [(one.key, one.data) for one in read(tar_bytes([("a.cls", b"1"), ("a.weird", b"x")]))] == [("a", b"x")]


def test_a_key_without_image_is_an_unreadable_occurrence() -> None:
    [one, two] = read(tar_bytes([("a.json", b"{}"), ("a.cls", b"1"), ("b.jpg", b"x")]))
    assert (one.key, one.error) == ("a", "no image among the members: cls, json")
    assert two.key == "b"


def test_folders_and_hidden_members_are_left_out_and_links_are_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind in [("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE), ("h.jpg", tarfile.LNKTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("._a.jpg", ".cache/a.jpg", "./a.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    found = read(out.getvalue())
    assert [(one.position, one.key, one.error) for one in found] == [
        (1, "l", "not a regular file"),
        (2, "h", "not a regular file"),
        (5, "a", None),
    ]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read_in_every_tar_format(format: int) -> None:
    name = "folder/" * 16 + "犬" * 20 + ".jpg"
    assert [one.key for one in read(tar_bytes([(name, b"x")], format))] == [name.removesuffix(".jpg")]


def test_a_name_that_is_not_utf8_is_spelt_out() -> None:
    data = bytearray(tar_bytes([("caf?.jpg", b"x")], tarfile.USTAR_FORMAT))
    with_checksum(data, 0, b"caf\xe9")
    assert [one.key for one in read(bytes(data))] == ["caf\\xe9"]


@pytest.mark.parametrize(
    ("members", "label", "reason"),
    [
        ({"json": b'{"a": '}, None, "json: does not parse"),
        ({"json": b"\xff\xfe"}, None, "json: not UTF-8"),
        ({"cls": b"\xff", "json": b'{"a": 1}'}, None, "cls: not UTF-8"),
        ({"json": b"[" * 100_000, "cls": b"4"}, "4", "json: nested deeper than 100"),
        ({"json": b'{"a": 1e999}', "cls": b"4"}, "4", "json: a number is out of range"),
        ({"txt": b"x" * (2**20 + 1), "cls": b"4"}, "4", "txt: larger than 1048576 bytes"),
    ],
)
def test_a_broken_sidecar_leaves_the_sample_and_says_why(
    members: Mapping[str, bytes], label: str | None, reason: str
) -> None:
    [one] = read(tar_bytes([("a.jpg", b"x"), *((f"a.{extension}", data) for extension, data in members.items())]))
    assert (one.data, one.label) == (b"x", label)
    assert one.metadata is not None and json.loads(one.metadata)["windrow_error"] == reason


def test_json_of_other_shapes_is_metadata_that_any_parser_reads() -> None:
    members = [
        ("a.jpg", b"x"),
        ("a.json", b"[1, NaN]"),
        ("b.jpg", b"x"),
        ("b.json", b'{"t": "\\ud800", "label": [1, 2]}'),
    ]
    first, second = read(tar_bytes(members))
    assert first.metadata == '{"json": [1, null]}'
    assert second.metadata == '{"t": "?", "label": [1, 2]}'
    assert second.label is None


def test_a_sample_that_is_too_large_is_not_read() -> None:
    [one, two] = read(tar_bytes([("a.jpg", b"12345"), ("b.jpg", b"1234")]), max_bytes=4)
    assert (one.data, one.byte_length, one.error) == (None, 5, "too large: 5 > 4 bytes")
    assert two.data == b"1234"


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


NAMES = st.sampled_from(["a.jpg", "a.cls", "a.png", "b.JPG", "b.json", "c/d.jpg", "c/d.foo", "e", "f.txt", "g.tar.jpg"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=600)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_member_is_accounted_for_once(members: list[tuple[str, bytes]]) -> None:
    found = read(tar_bytes(members))
    accounted = {one.position: one for one in found}
    groups: list[tuple[str, list[int]]] = []
    for n, (name, _) in enumerate(members):
        if not groups or groups[-1][0] != split_member(name)[0]:
            groups.append((split_member(name)[0], []))
        groups[-1][1].append(n)
    for _, positions in groups:
        images = [n for n in positions if (split_member(members[n][0])[1] or "").endswith(("jpg", "png"))]
        other = [n for n in positions if (split_member(members[n][0])[1] or "") in ("foo", "")]
        expected = images or other or positions[:1]
        assert [n for n in positions if n in accounted] == expected
        for n in images or other:
            assert accounted[n].data == members[n][1]


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
