"""The names of files beside a sample: no decoder of webdataset fails over one, and no two are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unread_members import GOOD, UNREAD
from webdataset import autodecode

from windrow.tasks.pictures.decoding import MAX_PIXELS, UnreadableImage, inspect_image
from windrow.tasks.storage.published.member_names import IMAGES, NEVER, SOURCE, decodes, free_names, member_names


def is_image(data: bytes) -> bool:
    try:
        return bool(inspect_image(data, MAX_PIXELS))
    except UnreadableImage:
        return False


def read(named: dict[str, str], members: dict[str, bytes]) -> None:
    autodecode.Decoder([autodecode.imagehandler("pil")]).decode({named[name]: data for name, data in members.items()})


@pytest.mark.parametrize("extension", UNREAD)
def test_what_does_not_parse_gets_an_extension_that_no_decoder_knows(extension: str) -> None:
    named = member_names({extension: UNREAD[extension]}, {"png", "json", "cls"}, is_image)
    assert named == {extension: f"{extension}.{SOURCE}"}
    read(named, {extension: UNREAD[extension]})


@pytest.mark.parametrize("extension", GOOD)
def test_what_parses_keeps_its_name(extension: str) -> None:
    named = member_names({extension: GOOD[extension]}, {"png", "json", "cls"}, is_image)
    assert named == {extension: extension}
    read(named, {extension: GOOD[extension]})


def test_what_windrow_writes_itself_is_never_overwritten_and_theirs_is_never_decoded() -> None:
    theirs = {"png": GOOD["seg.png"], "json": b"{}", "cls": b"3", "CLS": b"4", "Json": b"{}", "cls.source": b""}
    named = member_names(theirs, {"png", "json", "cls"}, is_image)
    assert named["cls"] == "cls.source" and named["json"] == "json.source" and named["png"] == "png.source"
    assert len({name.lower() for name in named.values()} | {"png", "json", "cls"}) == len(theirs) + 3
    read(named, theirs)


def test_every_decoder_of_webdataset_is_known_here() -> None:
    assert set(autodecode.IMAGE_EXTENSIONS) <= IMAGES
    broken = b"\xff{\0"
    for last in autodecode.decoders:
        assert last in NEVER or not decodes(last, broken, is_image), last


EXTENSION = st.builds(
    "{}{}".format,
    st.text("aA./\\_\n\0\u202e\x1b", max_size=6),
    st.sampled_from(
        ["", ".cls", ".CLS", ".txt", ".json", ".npy", ".npz", ".png", ".gz", ".json.gz", ".pkl", ".source"]
    ),
)


SOME = st.sampled_from([name for name in {**GOOD, **UNREAD} if "bomb" not in name]).map({**GOOD, **UNREAD}.get)


@given(st.dictionaries(EXTENSION, st.binary(max_size=12) | SOME))
def test_any_files_are_told_apart_and_read(members: dict[str, bytes]) -> None:
    named = member_names(members, {"jpg", "json", "cls"}, is_image)
    assert list(named) == list(members)
    assert len({name.lower() for name in named.values()} | {"jpg", "json", "cls"}) == len(members) + 3
    assert all(name and name.isprintable() and "/" not in name and not name.startswith("__") for name in named.values())
    read(named, members)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=140, max_size=300), unique=True, max_size=4))
def test_a_long_extension_makes_no_name_that_is_too_long_for_a_file(names: list[str]) -> None:
    named = free_names({name: name for name in (*names, *(f"{name}x" for name in names))}, {"json"})
    assert len({*named.values()}) == len(named)
    assert all(len(f"{'0' * 32}.{name}".encode()) <= 255 for name in named.values())
