"""Shards of an export: the original bytes, read back by what trainers use, the same bytes every time."""

import hashlib
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_export import CLASSES, EXTENSIONS, export, make_selection, plan_table, read_with_webdataset

from windrow.schemas.exported import DESCRIBED, EXPORTED, EXPORTED_SAMPLES
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import ExportShard, _cut, plan_export, read_classes, read_plan_rows
from windrow.tasks.export.shard_writing import gone_samples, write_export_shard
from windrow.tasks.storage.published import parquet_shards
from windrow.tasks.storage.published.webdataset_shards import class_indices
from windrow.tasks.storage.sources.source import SampleBytes
from windrow.tasks.storage.store.outputs import Done, open_output


def write_all(store: Path, rows: list[dict[str, Any]], config: ExportConfig) -> list[Done]:
    return [write_export_shard(store, shard, config) for shard in plan_export(store, plan_table(rows), config, CLASSES)]


def files(store: Path, done: Done) -> dict[str, bytes]:
    return {name: (store / done.path / name).read_bytes() for name in open_output(store / done.path).files}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"formats": ()}, r"formats.*got \(\)"),
        ({"formats": ("tfrecord",)}, r"formats.*tfrecord"),
        ({"formats": ("parquet", "parquet")}, r"formats"),
        ({"samples_per_shard": 0}, r"samples_per_shard.*0"),
        ({"label_set": ""}, r"label_set"),
        ({"license": " "}, r"license"),
    ],
)
def test_a_bad_config_is_refused_by_the_name_of_its_field(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExportConfig(**values)


def test_the_order_of_formats_does_not_matter() -> None:
    assert ExportConfig(formats=("parquet", "webdataset")) == ExportConfig()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=5, unique_by=lambda x: x[0]))
@settings(max_examples=40, deadline=None)
def test_shards_cover_every_row_once_and_never_mix_splits(parts: list[tuple[str, int]]) -> None:
    splits = [name for name, n in sorted(parts) for _ in range(n)]
    shards = list(_cut(pa.chunked_array([splits], pa.string()), 4))
    covered = [row for shard in shards for row in range(shard.first_row, shard.first_row + shard.n_rows)]
    assert covered == list(range(len(splits)))
    for shard in shards:
        assert set(splits[shard.first_row : shard.first_row + shard.n_rows]) == {shard.split}
    for name in "abc":
        sizes = [shard.n_rows for shard in shards if shard.split == name]
        assert all(size == 4 for size in sizes[:-1])
        assert [shard.number for shard in shards if shard.split == name] == list(range(len(sizes)))


def test_specs_are_small_and_lead_to_their_rows(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    shards = plan_export(tmp_path, plan_table(rows), ExportConfig(samples_per_shard=5), CLASSES)
    assert [(shard.split, shard.number, shard.n_rows) for shard in shards] == [
        ("test", 0, 3),
        ("train", 0, 5),
        ("train", 1, 4),
    ]
    assert all(len(pickle.dumps(shard)) < 400 for shard in shards)
    found = [row["sample_id"] for shard in shards for row in read_plan_rows(tmp_path, shard).to_pylist()]
    assert found == [row["sample_id"] for row in rows]
    assert read_classes(tmp_path, shards[0].plan) == ["barley", "rye", "wheat"]


def test_rows_are_read_from_the_row_groups_that_hold_them(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 1)
    many = [{**rows[0], "sample_id": f"{n:032x}", "rank": n + 1, "split": "train"} for n in range(8192 + 40)]
    shards = plan_export(tmp_path, plan_table(many), ExportConfig(samples_per_shard=1000), CLASSES)
    found = [row for shard in shards for row in read_plan_rows(tmp_path, shard)["rank"].to_pylist()]
    assert found == list(range(1, 8192 + 41))


def test_the_tar_holds_the_original_bytes_the_description_and_the_class(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source")
    by_id = {row["sample_id"]: row for row in rows}
    tars = [str(tmp_path / done.path / "shard.tar") for done in write_all(tmp_path, rows, ExportConfig())]
    samples = read_with_webdataset(tars)
    assert [sample["__key__"] for sample in samples] == list(by_id)
    for sample in samples:
        row = by_id[sample["__key__"]]
        assert sample[EXTENSIONS[row["format"]]] == data[row["sample_id"]]
        assert hashlib.sha256(data[row["sample_id"]]).hexdigest().startswith(sample["__key__"])
        info = json.loads(sample["json"])
        assert info.pop("provenance") == {
            **{name: row[name] for name in ("source_uri", "shard", "key")},
            "members": "",
        }
        assert info == {name: row[name] for name in DESCRIBED}
        expected = None if row["label"] is None else str(["barley", "rye", "wheat"].index(row["label"])).encode()
        assert sample.get("cls") == expected


def test_nothing_of_the_machine_is_in_the_tar(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4)
    for done in write_all(tmp_path, rows, ExportConfig()):
        with tarfile.open(tmp_path / done.path / "shard.tar") as tar:
            kept = {(member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode) for member in tar}
        assert kept == {(0, 0, 0, "", "", 0o444)}


def test_duckdb_and_pyarrow_read_the_parquet_with_the_original_bytes(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source")
    paths = [str(tmp_path / done.path / "shard.parquet") for done in write_all(tmp_path, rows, ExportConfig())]
    found = duckdb.connect().sql(f"SELECT sample_id, image.bytes, image.path, label FROM read_parquet({paths})")
    assert found.fetchall() == [
        (
            row["sample_id"],
            data[row["sample_id"]],
            f"{row['sample_id']}.{EXTENSIONS[row['format']]}",
            row["label"],
        )
        for row in rows
    ]
    for path in paths:
        EXPORTED.validate(pq.read_table(path))


def test_row_groups_are_closed_by_number_or_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, data = make_selection(tmp_path / "source", 9, formats=("PNG",))
    largest = max(map(len, data.values()))
    for samples, n_bytes, groups in ((4, 10**9, [4, 4, 1]), (100, largest + 1, [2, 2, 2, 2, 1])):
        monkeypatch.setattr(parquet_shards, "SAMPLES_PER_GROUP", samples)
        monkeypatch.setattr(parquet_shards, "BYTES_PER_GROUP", n_bytes)
        with parquet_shards.ParquetShard(tmp_path / "shard.parquet", class_indices(CLASSES), None) as shard:
            for row in rows:
                shard.add(row, SampleBytes(data[row["sample_id"]], {}), {})
        file = pq.ParquetFile(tmp_path / "shard.parquet")
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == groups
        assert [image["bytes"] for image in file.read()["image"].to_pylist()] == [data[r["sample_id"]] for r in rows]


def test_the_same_selection_gives_the_same_bytes_in_another_store(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    config = ExportConfig(samples_per_shard=4)
    one, two = ([files(tmp_path / store, done) for done in write_all(tmp_path / store, rows, config)] for store in "ab")
    assert one == two


def test_one_format_is_the_same_file_as_among_both(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    both = [files(tmp_path, done) for done in write_all(tmp_path, rows, ExportConfig())]
    for layout, name, other in (
        ("webdataset", "shard.tar", "shard.parquet"),
        ("parquet", "shard.parquet", "shard.tar"),
    ):
        alone = [files(tmp_path, done) for done in write_all(tmp_path, rows, ExportConfig(formats=(layout,)))]
        assert [shard[name] for shard in alone] == [shard[name] for shard in both]
        assert all(other not in shard for shard in alone)


def test_only_shards_whose_rows_changed_are_written_again(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 16)
    config = ExportConfig(samples_per_shard=4)
    assert [done.found for done in write_all(tmp_path, rows, config)] == [False] * 4
    assert [done.found for done in write_all(tmp_path, rows, config)] == [True] * 4
    changed = [{**row, "label": "rye"} if n == 5 else row for n, row in enumerate(rows)]
    assert [done.found for done in write_all(tmp_path, changed, config)] == [True, False, True, True]


def test_an_abstained_label_is_exported_as_none(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4, labels=["rye"] * 4)
    rows = [{**row, "abstained": row["rank"] == 1} for row in rows]
    for done in write_all(tmp_path, rows, ExportConfig()):
        samples = open_output(tmp_path / done.path).read(EXPORTED_SAMPLES)
        for row in samples.to_pylist():
            assert row["label"] == (None if row["rank"] == 1 else "rye")
        with tarfile.open(tmp_path / done.path / "shard.tar") as tar:
            assert sum(name.endswith(".cls") for name in tar.getnames()) == done.counts["n_labelled"]


def test_a_sample_that_is_gone_is_counted_and_named_and_comes_back_when_it_does(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source")
    loose = next(row for row in rows if row["kind"] == "file" and row["split"] == "train")
    file = tmp_path / "source" / loose["key"]
    file.unlink()
    config = ExportConfig()
    lacking = write_all(tmp_path, rows, config)
    assert [done.counts["n_gone"] for done in lacking] == [0, 1]
    assert sum(done.counts["n_samples"] + done.counts["n_gone"] for done in lacking) == len(rows)
    gone = gone_samples(tmp_path, lacking).to_pylist()
    assert [row["sample_id"] for row in gone] == [loose["sample_id"]] and gone[0]["reason"]
    assert [done.found for done in write_all(tmp_path, rows, config)] == [True, True]

    file.write_bytes(data[loose["sample_id"]])
    again = write_all(tmp_path, rows, config)
    assert [done.counts["n_gone"] for done in again] == [0, 0]
    assert gone_samples(tmp_path, again).num_rows == 0
    elsewhere = write_all(tmp_path / "other store", rows, config)
    assert [files(tmp_path, done) for done in again] == [files(tmp_path / "other store", done) for done in elsewhere]


def test_a_file_that_changed_is_not_exported_under_the_old_name(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4)
    loose = next(row for row in rows if row["kind"] == "file")
    (tmp_path / "source" / loose["key"]).write_bytes(b"x" * loose["n_bytes"])
    dones = write_all(tmp_path, rows, ExportConfig())
    assert gone_samples(tmp_path, dones)["sample_id"].to_pylist() == [loose["sample_id"]]
    assert all(loose["sample_id"].encode() not in files(tmp_path, done)["shard.tar"] for done in dones)


def test_no_shard_has_no_gone_sample(tmp_path: Path) -> None:
    assert gone_samples(tmp_path, []).num_rows == 0
    assert plan_export(tmp_path, plan_table([]), ExportConfig(), CLASSES) == []


def test_bad_rows_are_refused_by_column(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4)

    def plan(bad: list[dict[str, Any]], classes: list[str] = CLASSES) -> list[ExportShard]:
        return plan_export(tmp_path, plan_table(bad), ExportConfig(), classes)

    with pytest.raises(ValueError, match="sorted by split and rank"):
        plan(rows[::-1])
    with pytest.raises(ValueError, match="primary key"):
        plan([rows[0], *rows])
    with pytest.raises(ValueError, match=r"'label'.*none of the 1 classes"):
        plan(rows, ["wheat"])
    with pytest.raises(ValueError, match=r"'split'.*\.\./up"):
        plan([{**row, "split": "../up"} for row in sorted(rows, key=lambda row: row["rank"])])
    with pytest.raises(ValueError, match="classes"):
        plan(rows, [*CLASSES, "a\nb"])
    with pytest.raises(ValueError, match="'rank' is missing"):
        plan_export(tmp_path, plan_table(rows).drop_columns(["rank"]), ExportConfig(), CLASSES)
    assert not (tmp_path / "outputs").exists()


def test_other_columns_and_types_that_can_be_cast_are_welcome(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4)
    table = plan_table(rows)
    narrow = table.set_column(table.schema.get_field_index("rank"), "rank", table["rank"].cast(pa.int32()))
    wide = narrow.append_column("more", pa.nulls(4))
    assert plan_export(tmp_path, wide, ExportConfig(), CLASSES) == plan_export(tmp_path, table, ExportConfig(), CLASSES)


def test_what_came_with_a_sample_comes_with_its_export_byte_for_byte(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source", 3, formats=("PNG",))
    beside = {"png": b"not the image", "json": b'{"mine": 1}', "seg.png": b"\0\1", "txt": b"words\n"}
    for name, content in beside.items():
        (tmp_path / "source" / f"0000.{name}").write_bytes(content) if name != "png" else None
    [tar_row] = [row for row in rows if row["kind"] == "tar"]
    with (tmp_path / "source" / "b.tar").open("ab") as file:
        places = []
        for name, content in beside.items():
            places.append({"extension": name, "byte_offset": file.tell(), "byte_length": len(content)})
            file.write(content)
    tar_row["members"] = places
    [loose] = [row for row in rows if row["kind"] == "file"]
    loose["members"] = [{"extension": "txt", "byte_offset": None, "byte_length": 6}]
    version = export(tmp_path / "store", rows)
    read = {one["__key__"]: one for one in read_with_webdataset(sorted(map(str, version.path.rglob("*.tar"))))}
    found = read[tar_row["sample_id"]]
    assert found["png"] == data[tar_row["sample_id"]]
    assert {name: found[name] for name in ("png.source", "json.source", "seg.png.source", "txt")} == {
        "png.source": beside["png"],
        "json.source": beside["json"],
        "seg.png.source": beside["seg.png"],
        "txt": beside["txt"],
    }
    described = json.loads(found["json"])
    assert described["sample_id"] == tar_row["sample_id"]
    assert described["provenance"]["members"] == "png.source/json.source/seg.png.source/txt"
    assert read[loose["sample_id"]]["txt"] == b"words\n"
    plain = export(tmp_path / "store", rows, ExportConfig(samples_per_shard=5, sidecars=False))
    names = {name for one in read_with_webdataset(sorted(map(str, plain.path.rglob("*.tar")))) for name in one}
    assert not names & {"png.source", "json.source", "seg.png.source", "txt"}
    (tmp_path / "source" / "0000.txt").write_bytes(b"longer than it was")
    changed = export(tmp_path / "other", rows)
    assert changed.n_samples == 2
