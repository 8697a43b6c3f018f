"""Loose files: every one is an occurrence, with what its sidecars and its folder say."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.storage.sources.folder_source import FolderSource, read_whole
from windrow.tasks.storage.sources.listing.source_files import find_files
from windrow.tasks.storage.sources.listing.source_place import locate, source_root
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig


def read(folder: Path, config: IngestConfig | None = None) -> dict[str, Found]:
    found = [
        one
        for shard in plan_shards([str(folder)])
        for one in FolderSource().iterate(shard, config or IngestConfig(), None, None)
    ]
    assert all((one.data is None) == (one.error is not None) for one in found)
    return {one.key: one for one in found}


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_the_key_of_a_loose_file_is_its_path_and_leads_back_to_it(tmp_path: Path) -> None:
    fill(
        tmp_path, {"a/IMG.JPG": b"1", "a/IMG.png": b"2", "b.c/none": b"3", "a/.txt.jpg": b"", "x.tar.d/犬.v2.gif": b"4"}
    )
    found = read(tmp_path)
    assert {key: (one.extension, one.data) for key, one in found.items()} == {
        "a/IMG.JPG": ("jpg", b"1"),
        "a/IMG.png": ("png", b"2"),
        "b.c/none": (None, b"3"),
        "x.tar.d/犬.v2.gif": ("gif", b"4"),
    }
    for key, one in found.items():
        assert Path(locate(str(tmp_path), key)).read_bytes() == one.data


def test_sidecars_give_label_caption_group_and_metadata(tmp_path: Path) -> None:
    sidecars = {"a.cls": b" cat\n", "a.txt": b"\xef\xbb\xbfsleeps\n", "a.json": b'{"group": 7, "iso": 100}'}
    fill(
        tmp_path, {"d/a.jpg": b"x", "d/b.jpg": b"x", "a.jpg": b"x", **{f"d/{name}": d for name, d in sidecars.items()}}
    )
    found = read(tmp_path)
    one = found["d/a.jpg"]
    assert (one.label, one.caption, one.group, one.metadata) == ("cat", "sleeps", "7", '{"iso": 100}')
    assert all(found[key].label is None for key in ("a.jpg", "d/b.jpg"))


def test_folders_are_labels_only_on_demand_and_sidecars_win(tmp_path: Path) -> None:
    fill(tmp_path, {"cats/big/1.jpg": b"x", "cats/2.jpg": b"x", "cats/2.cls": b"lion", "3.jpg": b"x"})
    assert {one.label for key, one in read(tmp_path).items() if key != "cats/2.jpg"} == {None}
    found = read(tmp_path, IngestConfig(folder_labels=True))
    assert {key: one.label for key, one in found.items()} == {
        "cats/big/1.jpg": "big",
        "cats/2.jpg": "lion",
        "3.jpg": None,
    }


def test_what_happens_to_files_after_the_plan_is_told(tmp_path: Path) -> None:
    fill(tmp_path, {"a.jpg": b"x", "b.jpg": b"x", "b.cls": b"1", "c.jpg": b"12345"})
    [shard] = plan_shards([str(tmp_path)])
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "b.cls").unlink()
    a, b, c = FolderSource().iterate(shard, IngestConfig(max_bytes=4), None, None)
    assert (a.error, a.position) == ("file is gone", 0)
    assert b.metadata is not None and json.loads(b.metadata) == {"windrow_error": "cls: file is gone"}
    assert (c.error, c.byte_length) == ("too large: 5 > 4 bytes", 5)


@pytest.mark.parametrize(("size", "expected"), [(4, b"1234"), (5, 5), (0, b"")])
def test_a_file_is_read_up_to_a_size(tmp_path: Path, size: int, expected: bytes | int) -> None:
    (tmp_path / "a").write_bytes(b"12345"[:size])
    assert read_whole(str(tmp_path / "a"), 4) == expected


@pytest.mark.parametrize(
    ("source", "path", "root"),
    [
        ("{}/set", "a.tar", "{}/set"),
        ("{}/set/", "b/c.jpg", "{}/set"),
        ("file://{}/set", "a.tar", "{}/set"),
        ("{}/set/a.tar", "a.tar", "{}/set"),
        ("{}/set", "set", "{}/set"),
        ("{}/s*/x/**/*.jpg", "set/x/a.jpg", "{}"),
        ("{}/gone/a.tar", "a.tar", "{}/gone"),
        ("{}/set/[1]", "a.jpg", "{}/set/[1]"),
        ("*.jpg", "a.jpg", "."),
        ("a.tar", "a.tar", "."),
        ("/a.tar", "a.tar", "/"),
        ("memory://no/such/a.tar", "a.tar", "memory://no/such"),
        ("memory://no/such", "a.tar", "memory://no/such"),
        ("memory://no/su*/a.tar", "such/a.tar", "memory://no"),
        ("memory://a.tar", "a.tar", "memory://"),
        ("memory://*.tar", "a.tar", "memory://"),
    ],
)
def test_paths_are_relative_to_the_root_of_the_source(tmp_path: Path, source: str, path: str, root: str) -> None:
    fill(tmp_path, {"set/a.tar": b"x", "set/[1]/a.jpg": b"x"})
    assert source_root(source.format(tmp_path), path) == root.format(tmp_path)


PARTS = st.text(st.sampled_from("ab.é犬 \\[*"), min_size=1, max_size=5).filter(lambda part: part not in (".", ".."))


@given(st.sets(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=8))
@settings(max_examples=30, deadline=None)
def test_every_file_that_is_not_hidden_is_found_once(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("files")
    written = set()
    for name in sorted(names):
        path = folder / name
        if not any(parent.is_file() for parent in path.parents) and not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
            written.add(name)
    found = find_files(str(folder))[1]
    assert [file.path for file in found] == sorted(
        n for n in written if not any(p.startswith(".") for p in n.split("/"))
    )
    for file in found:
        assert read_whole(locate(str(folder), file.path), 100) == file.path.encode()
