"""Lists as sources: which rows they have, what these point to, and what comes of fetching it."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from web_server import Web, picture

from windrow.tasks.fetching import waiting_bodies
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.storage.sources import list_rows, list_source
from windrow.tasks.storage.sources.list_locations import OUTSIDE
from windrow.tasks.storage.sources.list_rows import ListRow, open_list
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig

FORMATS = ("csv", "jsonl", "parquet")


def config(**fetch: Any) -> IngestConfig:
    quick = {"allow_private": True, "read_seconds": 0.3, "total_seconds": 0.5, "retry_seconds": 0.001}
    return IngestConfig(fetch=FetchConfig(**{**quick, **fetch}))


def write_list(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=3)
    return f"list:{path}"


def found(source: str, wanted: IngestConfig | None = None) -> list[Found]:
    wanted = wanted or config()
    return [one for shard in plan_shards([source], wanted) for one in iterate_shard(shard, wanted)]


@pytest.mark.parametrize("extension", FORMATS)
def test_every_row_of_a_list_is_a_sample_with_its_other_columns(web: Web, tmp_path: Path, extension: str) -> None:
    rows = [
        {"id": 7, "url": f"{web.url}/img/1.png?w=2", "label": "cat", "caption": 'a "big", cat\nasleep', "group": "g"},
        {"id": 8, "url": f"{web.url}/none", "label": "dog", "caption": None, "group": None},
    ]
    first, second = found(write_list(tmp_path / f"urls.{extension}", rows))
    assert (first.position, first.key, first.extension) == (0, f"{web.url}/img/1.png?w=2", "png")
    assert (first.data, first.byte_length, first.error) == (picture(1), len(picture(1)), None)
    assert (first.label, first.caption, first.group) == ("cat", 'a "big", cat\nasleep', "g")
    assert json.loads(first.metadata or "") == {"id": "7" if extension == "csv" else 7}
    assert (second.position, second.data, second.error, second.label) == (1, None, "HTTP 404", "dog")


def test_rows_come_in_their_order_whatever_finishes_first(web: Web, tmp_path: Path) -> None:
    rows = [{"url": f"{web.url}/{'slow' if n % 5 == 0 else 'img'}/{n}.png"} for n in range(40)]
    source = write_list(tmp_path / "urls.csv", rows)
    assert [one.data for one in found(source, config(concurrency=8))] == [picture(n) for n in range(40)]


def test_bodies_whose_turn_has_not_come_wait_on_the_disk(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_bodies, "MEMORY_BYTES", 3 * len(picture(0)))
    source = write_list(tmp_path / "urls.csv", [{"url": f"{web.url}/img/{n}.png"} for n in range(40)])
    wanted = config(concurrency=2)
    [shard] = plan_shards([source], wanted)
    rows = iterate_shard(shard, wanted)
    assert next(rows).data == picture(0)
    while web.asked.total() < 41:  # all are fetched, though nobody takes them
        web.ended.wait(0.001)
    assert [one.data for one in rows] == [picture(n) for n in range(1, 40)]


@pytest.mark.parametrize("extension", FORMATS)
def test_a_list_that_grows_changes_its_last_shard_only(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_source, "ROWS_PER_SHARD", 4)
    names = [{"path": f"{n}.png", "note": "two\nlines"} for n in range(11)]
    for n in range(11):
        (tmp_path / f"{n}.png").write_bytes(picture(n))
    source = write_list(tmp_path / f"all.{extension}", names[:10])
    before = plan_shards([source])
    assert [shard.shard for shard in before] == [f"all.{extension}#{first:09d}" for first in (0, 4, 8)]
    assert [one.data for one in found(source)] == [picture(n) for n in range(10)]
    write_list(tmp_path / f"all.{extension}", names)
    after = plan_shards([source])
    assert [old.identity == new.identity for old, new in zip(before, after, strict=True)] == [True, True, False]
    (tmp_path / "5.png").write_bytes(b"another")
    assert [old.identity == new.identity for old, new in zip(after, plan_shards([source]), strict=True)] == [
        True,
        False,
        True,
    ]


def test_a_list_that_is_signed_anew_stays_the_same_and_shows_no_secret(web: Web, tmp_path: Path) -> None:
    def signed(number: int) -> str:
        login = web.url.replace("http://", f"http://me:secret{number}@")
        return f"{web.url}/img/1.png?X-Amz-Date={number}&X-Amz-Signature=secret{number}" if number < 2 else login

    identities = set()
    for number in range(2):
        source = write_list(tmp_path / "urls.csv", [{"url": signed(number)}])
        identities |= {shard.identity for shard in plan_shards([source])}
    assert len(identities) == 1
    [one] = found(source)
    assert (one.key, one.data) == (f"{web.url}/img/1.png", picture(1))
    [one] = found(write_list(tmp_path / "urls.csv", [{"url": signed(2) + "/none"}]))
    assert "secret" not in repr(one)


def test_what_does_not_parse_is_a_row_with_a_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture(1))
    text = b'path,label\r\n1.png,a\r\n1.png\r\n\r\n"1"x,b\r\n1.png,\xff\r\n,c\r\n1.png,d\r\n"1.png,e\r\n'
    (tmp_path / "bad.csv").write_bytes(text)
    rows = found(f"list:{tmp_path}/bad.csv")
    assert [(one.key, one.label, one.error) for one in rows] == [
        ("1.png", "a", None),
        ("line 3", None, "line 3 has 1 fields, the header 2"),
        ("line 5", None, "line 5 does not parse"),
        ("line 6", None, "line 6 is not UTF-8"),
        ("line 7", "c", "no URL"),
        ("1.png", "d", None),
        ("line 9", None, "line 9 does not parse"),
    ]
    lines = [
        '{"path": "1.png"}',
        "{",
        "",
        "[1]",
        '{"path": null}',
        '{"path": 3}',
        "{}",
        "[" * 5000,
        '{"path": "1.png"}',
    ]
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    assert [one.error for one in found(f"list:{tmp_path}/bad.jsonl")] == [
        None,
        "line 2 does not parse",
        "line 4 is no JSON object",
        "no URL",
        "not a URL or path",
        "no URL",
        "line 8 does not parse",
        None,
    ]


def test_a_line_without_end_is_an_error_and_not_a_load_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_rows, "MAX_LINE", 100)
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "long.csv").write_text(f"path\n1.png\n{'x' * 350}\n1.png\n")
    errors = [one.error for one in found(f"list:{tmp_path}/long.csv")]
    assert errors == [None, "line 3 is longer than 100 bytes", None]


@pytest.mark.parametrize(("name", "error"), [("a.csv", "empty file"), ("a.parquet", "not a Parquet file")])
def test_a_list_that_is_none_is_an_occurrence_with_the_reason(tmp_path: Path, name: str, error: str) -> None:
    (tmp_path / name).write_text("" if name == "a.csv" else "nonsense")
    assert [(one.key, one.error) for one in found(f"list:{tmp_path}/{name}")] == [(name, error)]


def test_a_list_without_locations_and_what_is_no_list_are_refused(tmp_path: Path) -> None:
    source = write_list(tmp_path / "a.csv", [{"link": "x", "label": "y"}])
    with pytest.raises(ValueError, match=r"a.csv: a column url, path, .* was not found; the list has link, label"):
        plan_shards([source])
    with pytest.raises(ValueError, match=r"ingest\.url_column 'href' was not found"):
        plan_shards([source], IngestConfig(url_column="href"))
    assert len(plan_shards([source], IngestConfig(url_column="link"))) == 1
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"a.txt: a list is one of .csv, .jsonl"):
        plan_shards([f"list:{tmp_path}/texts"])
    (tmp_path / "b.csv").write_text("path,path\n1,2\n")
    with pytest.raises(ValueError, match="header has 'path' twice"):
        plan_shards([f"list:{tmp_path}/b.csv"])
    (tmp_path / "c.csv").write_text("path\n")
    with pytest.raises(ValueError, match="holds no samples"):
        plan_shards([f"list:{tmp_path}/c.csv"])


def test_a_list_names_only_files_below_its_own_folder(tmp_path: Path) -> None:
    inside = tmp_path / "list"
    (inside / "sub").mkdir(parents=True)
    for path in (inside / "sub" / "1.png", tmp_path / "2.png"):
        path.write_bytes(picture(1))
    (inside / "link.png").symlink_to(tmp_path / "2.png")
    (inside / "loop").symlink_to("loop")
    paths = ["sub/1.png", f"{inside}/sub/1.png", f"file://{inside}/sub/1.png", "../2.png", f"{tmp_path}/2.png"]
    paths += ["link.png", "/etc/passwd", "file:///etc/passwd", "/dev/zero", "sub", "none.png", "loop"]
    paths += ["x" * 300, "a\0b", "\ud800", "sub/x://1.png", "x::file:///etc/passwd"]
    source = write_list(inside / "a.jsonl", [{"path": path} for path in paths])
    expected = [None] * 3 + [OUTSIDE] * 6 + ["not a regular file", "file is gone", "file is gone"]
    expected += ["not a URL or path"] * 5
    assert [one.error for one in found(source)] == expected
    errors = [one.error for one in found(source, config(allow_outside=True))]
    assert errors[:10] == [None] * 8 + ["not a regular file"] * 2


def test_object_stores_are_read_when_their_protocol_is_named(tmp_path: Path) -> None:
    store = MemoryFileSystem()
    rows = b"path,other\nimg/1.png,x\n../2.png,x\na::file:/etc/passwd,x\n"
    store.pipe({"/lists/a.csv": rows, "/lists/img/1.png": picture(1)})
    store.pipe("/elsewhere/2.png", picture(2))
    try:
        beside, above, chained = found("list:memory://lists/a.csv")
        assert beside.data == picture(1)
        assert (above.error, chained.error) == (OUTSIDE, "chained URLs are not read")
        places = ["memory://elsewhere/2.png", "simplecache::memory://elsewhere/2.png", "memory://elsewhere/none"]
        source = write_list(tmp_path / "a.jsonl", [{"uri": place} for place in places])
        refused = "protocol memory is not in ingest.fetch.protocols"
        assert next(one.error for one in found(source)) == refused
        first, *others = found(source, config(protocols=("https", "memory")))
        assert first.data == picture(2)
        assert [one.error for one in others] == ["not a URL or path", "file is gone"]
    finally:
        store.rm("/lists", recursive=True)
        store.rm("/elsewhere", recursive=True)


def test_a_list_that_changes_between_plan_and_reading_is_refused(tmp_path: Path) -> None:
    source = write_list(tmp_path / "a.csv", [{"path": "1.png"}])
    [shard] = plan_shards([source])
    write_list(tmp_path / "a.csv", [{"path": "2.png"}])
    with pytest.raises(ValueError, match=r"a.csv changed while it was being read: run again"):
        list(iterate_shard(shard, config()))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(["\r\n", "\n"]))
@settings(deadline=None, max_examples=60)
def test_what_is_written_as_csv_is_read_back_from_any_row_on(rows: list[tuple[str, str, str]], end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    reader = open_list(io.BytesIO(text.getvalue().encode()), "x.csv")
    assert not isinstance(reader, str)
    read = list(reader.rows(reader.start))
    expected = [{k: v for k, v in zip("abc", row, strict=True) if v} for row in rows]
    assert [row.values for row in read] == expected
    assert [row.error for row in read] == [None] * len(rows)
    starts = [reader.start, *(row.end for row in read)]
    for n, start in enumerate(starts[:-1]):
        assert _values(list(reader.rows(start))) == expected[n:]


@given(st.binary(max_size=60), st.sampled_from(["x.csv", "x.jsonl"]))
@settings(deadline=None, max_examples=80)
def test_no_bytes_of_a_row_raise(data: bytes, name: str) -> None:
    reader = open_list(io.BytesIO((b"a,b\n" if name == "x.csv" else b'{"a": 1}\n') + data), name)
    assert not isinstance(reader, str)
    for row in reader.rows(reader.start):
        assert row.error is None or row.error.startswith("line")


def _values(rows: list[ListRow]) -> list[Any]:
    return [row.values for row in rows]
