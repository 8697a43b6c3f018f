"""Versions in other trainers' formats, each read back by that project's own reader."""

import json
import sqlite3
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
from small_export import export, make_selection

from windrow.flows.commands.cli import app
from windrow.tasks.conversion.all_formats import FORMATS
from windrow.tasks.conversion.converted_version import convert_version
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.loading.version_samples import NO_LABEL
from windrow.tasks.storage.published.card_answers import CardAnswers, questions

LABELS = {None: NO_LABEL, "barley": 0, "rye": 1, "wheat": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("conversion")
    rows, data = make_selection(folder / "source", 24)
    return export(folder / "store", rows).path, rows, data


def of_split(rows: list[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] == split]


def test_mds_is_read_by_streaming(made: Any, tmp_path: Path) -> None:
    streaming = pytest.importorskip("streaming", reason="mosaicml-streaming is not installed")
    version, rows, data = made
    convert_version(version, tmp_path / "out", FORMATS["mds"])
    for split in ("train", "test"):
        samples = list(streaming.StreamingDataset(local=str(tmp_path / "out" / split), shuffle=False, batch_size=1))
        expected = of_split(rows, split)
        assert [(s["sample_id"], s["sample_index"], s["label"], s["image"]) for s in samples] == [
            (row["sample_id"], row["sample_index"], LABELS[row["label"]], data[row["sample_id"]]) for row in expected
        ]
        assert [json.loads(s["info"])["rank"] for s in samples] == [row["rank"] for row in expected]


def test_litdata_is_read_by_litdata(made: Any, tmp_path: Path) -> None:
    litdata = pytest.importorskip("litdata", reason="litdata is not installed")
    version, rows, data = made
    convert_version(version, tmp_path / "out", FORMATS["litdata"])
    samples = list(litdata.StreamingDataset(str(tmp_path / "out" / "train"), shuffle=False))
    assert [(s["sample_id"], s["label"], s["image"]) for s in samples] == [
        (row["sample_id"], LABELS[row["label"]], data[row["sample_id"]]) for row in of_split(rows, "train")
    ]


def test_lance_is_read_by_lance(made: Any, tmp_path: Path) -> None:
    lance = pytest.importorskip("lance", reason="pylance is not installed")
    version, rows, data = made
    convert_version(version, tmp_path / "out", FORMATS["lance"])
    table = lance.dataset(str(tmp_path / "out" / "samples.lance")).to_table(filter="split = 'train'").to_pylist()
    assert [(s["sample_id"], s["label_index"], s["image"], s["sample_weight"]) for s in table] == [
        (row["sample_id"], LABELS[row["label"]], data[row["sample_id"]], row["sample_weight"])
        for row in of_split(rows, "train")
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:", "ignore::ResourceWarning")  # of what mlcroissant uses
def test_croissant_is_read_by_mlcroissant(made: Any, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    version, rows, _ = made
    convert_version(version, tmp_path / "out", FORMATS["croissant"])
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert dataset.metadata.issues.errors in ([], set())
    found = {record["samples/sample_id"].decode(): record for record in dataset.records("samples")}
    assert set(found) == {row["sample_id"] for row in rows}
    for row in rows:
        record = found[row["sample_id"]]
        assert record["samples/rank"] == row["rank"]
        assert record["samples/label"] == (None if row["label"] is None else row["label"].encode())


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set")  # by energon, without an accelerator
def test_energon_is_read_by_energon(made: Any, tmp_path: Path) -> None:
    energon = pytest.importorskip("megatron.energon", reason="megatron-energon is not installed")
    version, rows, data = made
    convert_version(version, tmp_path / "out", FORMATS["energon"])

    class Task(energon.DefaultTaskEncoder):  # type: ignore[misc, name-defined]
        cookers = (energon.Cooker(energon.stateless(lambda sample: sample)),)

    dataset = energon.get_train_dataset(
        str(tmp_path / "out"),
        batch_size=None,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        task_encoder=Task(),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        repeat=False,
        auto_decode=False,
    )
    samples = list(energon.get_loader(dataset))
    expected = {row["sample_id"]: row for row in of_split(rows, "train")}
    assert sorted(sample["__key__"].rpartition("/")[2] for sample in samples) == sorted(expected)
    for sample in samples:
        row = expected[sample["__key__"].rpartition("/")[2]]
        image = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[row["format"]]
        assert sample[image] == data[row["sample_id"]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:", "ignore::ResourceWarning")
def test_croissant_has_what_people_said_and_the_licences(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    answers = CardAnswers(**{name: f"About {name}: 1." for name in questions()} | {"annotation": "TODO"})
    version = export(tmp_path / "store", rows, answers=answers)
    convert_version(version.path, tmp_path / "out", FORMATS["croissant"])
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert described["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert described["license"] == ["https://creativecommons.org/licenses/by/4.0/", "ask me"]
    assert described["rai:dataUseCases"] == "About purpose: 1." and "rai:dataAnnotationProtocol" not in described
    people = described["rai:personalSensitiveInformation"]
    assert people.split("\n\n") == [f"About {n}: 1." for n in ("people_depicted", "consent", "sensitive_content")]
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    metadata = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json")).metadata
    assert metadata.issues.errors in ([], set())
    assert metadata.data_biases in ("About biases: 1.", ["About biases: 1."])


def test_energons_indexes_say_where_everything_lies_and_no_image_is_copied(made: Any, tmp_path: Path) -> None:
    version, rows, data = made
    n_bytes = convert_version(version, tmp_path / "out", FORMATS["energon"])
    tars = sorted((tmp_path / "out" / "webdataset").glob("*.tar"))
    assert all(tar.stat().st_nlink >= 3 for tar in tars) and n_bytes < 200_000
    with sqlite3.connect(tmp_path / "out" / ".nv-meta" / "index.sqlite") as index:
        found = index.execute(
            "SELECT s.sample_key, s.byte_offset, s.byte_size, p.part_name, content_byte_offset, content_byte_size,"
            " s.tar_file_id, s.sample_index FROM samples s JOIN sample_parts p USING (tar_file_id, sample_index)"
        ).fetchall()
    index.close()
    info = json.loads((tmp_path / "out" / ".nv-meta" / ".info.json").read_text())
    assert sum(info["shard_counts"].values()) == len({key for key, *_ in found}) == len(rows)
    for key, offset, size, part, start, length, number, place in found:
        tar = tmp_path / "out" / list(info["shard_counts"])[number]
        if part not in ("json", "cls"):
            assert tar.read_bytes()[start : start + length] == data[key]
        starts = (tar.parent / f"{tar.name}.idx").read_bytes()
        starts = struct.unpack(f"<{len(starts) // 8}Q", starts)
        assert (starts[place], starts[place + 1]) == (offset, offset + size)
        piece = tar.read_bytes()[offset : offset + size] + bytes(1024)
        (tmp_path / "piece.tar").write_bytes(piece)
        with tarfile.open(tmp_path / "piece.tar") as one:
            assert f"{key}.{part}" in one.getnames()


def test_the_command_says_what_it_wrote_and_refuses_what_it_cannot(
    made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, rows, _ = made
    target = tmp_path / "out"
    app(["convert", str(version), "--to", "croissant", "-o", str(target)], standalone_mode=False)
    size = (target / "croissant.json").stat().st_size
    assert capsys.readouterr().out == f"wrote {target}: {size:,} bytes besides what is linked\n"
    with pytest.raises(ValueError, match="is there already"):
        convert_version(version, target, FORMATS["croissant"])
    with pytest.raises(ValueError, match="no version of a curated set"):
        convert_version(tmp_path, tmp_path / "new", FORMATS["energon"])
    only_tars = export(tmp_path / "store", rows, ExportConfig(formats=("webdataset",)), name="tars")
    for name in ("croissant", "huggingface"):
        with pytest.raises(ValueError, match=f"no parquet shards, which {name} is made from"):
            convert_version(only_tars.path, tmp_path / "new", FORMATS[name])
    assert not (tmp_path / "new").exists() and not [each for each in tmp_path.iterdir() if each.name.startswith(".")]
