"""Tars: WebDataset keys, the roles of members, and the fields that sidecars say."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import webdataset as wds
from hypothesis import given, settings
from hypothesis import strategies as st
from small_export import read_with_webdataset
from tar_files import read, tar_bytes

from windrow.tasks.storage.sources.tar_source import split_member


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
    error = "label: several classes, and a sample has one"
    assert second.metadata == f'{{"t": "?", "label": [1, 2], "windrow_error": "{error}"}}'
    again = tar_bytes([("c.jpg", b"x"), ("c.json", f'{{"label": [1, 2], "windrow_error": "x; {error}"}}'.encode())])
    assert json.loads(read(again)[0].metadata)["windrow_error"] == f"x; {error}"
    assert second.label is None


def test_a_sample_that_is_too_large_is_not_read() -> None:
    [one, two] = read(tar_bytes([("a.jpg", b"12345"), ("b.jpg", b"1234")]), max_bytes=4)
    assert (one.data, one.byte_length, one.error) == (None, 5, "too large: 5 > 4 bytes")
    assert two.data == b"1234"


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
