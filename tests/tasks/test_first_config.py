"""`windrow init`: a config for what lies in a folder, of which every line loads."""

import io
import re
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from windrow.flows.commands.cli import app
from windrow.tasks.config import load_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.first_config import write_first_config
from windrow.tasks.storage.sources.source_plan import plan_shards


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something of each kind, and a store, which is no source."""
    folder = tmp_path / "my photos"
    for name in ("loose/a.png", "loose/b.jpg", "top.JPG", "store/curated/x.png", ".hidden/x.png"):
        picture(folder / name)
    for name in ("journal", "runs", "lock"):
        (folder / "store" / name).mkdir()
    with tarfile.open(folder / "one.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("a.png")
        info.size = len(png())
        tar.addfile(info, io.BytesIO(png()))
    pq.write_table(pa.table({"image": [png()]}), folder / "some.parquet")
    pq.write_table(pa.table({"n": [1]}), folder / "other.parquet")
    (folder / "web.csv").write_text("url,caption\nhttps://example.org/a.png,a\n")
    (folder / "known.csv").write_text("key,label\na.png,cat\n")
    (folder / "broken.csv").write_bytes(b"\xff\xfe\x00")
    monkeypatch.chdir(folder)
    return folder


def test_the_config_names_what_is_there_and_its_sources_can_be_planned(folder: Path) -> None:
    path, found = write_first_config(folder)
    config = load_config(path)
    assert set(config.sources) == {"*.tar.gz", "some.parquet", "*.JPG", "list:web.csv", "loose"}
    assert (config.name, config.labels.given, config.ingest.folder_labels) == ("my-photos", ("known.csv",), "auto")
    kinds = {"1 tar", "1 Parquet file with images", "3 images", "1 list of URLs", "labels in known.csv"}
    assert set(found) == kinds
    assert {shard.kind for shard in plan_shards(config.sources, config.ingest)} == {"tar", "parquet", "file", "url"}


def test_every_line_that_is_commented_out_loads_too(folder: Path) -> None:
    path, _ = write_first_config(folder)
    lines = path.read_text().splitlines()
    settings = [n for n, line in enumerate(lines) if re.match(r" *#\S", line)]
    assert len(settings) > 5
    for number in settings:
        used = lines[number].replace("#", "", 1)
        name = re.match(r" *\w+:", used)
        assert name is not None
        changed = [used if n == number else line for n, line in enumerate(lines) if not line.startswith(name[0])]
        path.write_text("\n".join(changed))
        load_config(path)


def test_folders_side_by_side_are_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/1.png", "dog/1.jpg", "dog/2.png"):
        picture(tmp_path / "flat" / name)
        picture(tmp_path / "deep/train" / name)
    for name in ("flat", "deep"):
        path, found = write_first_config(tmp_path / name)
        assert "2 folders that look like classes: cat, dog" in found
        monkeypatch.chdir(path.parent)
        config = load_config(path)
        assert config.ingest.folder_labels is True
        assert config.sources == {"flat": ("*/*.jpg", "*/*.png"), "deep": ("train",)}[name]
        shards = plan_shards(config.sources, config.ingest)
        assert sum(len(shard.files) for shard in shards) == 3


def test_folders_named_by_dates_are_no_classes(tmp_path: Path) -> None:
    for name in ("2024-01/1.png", "2024-02/1.png"):
        picture(tmp_path / name)
    path, _ = write_first_config(tmp_path)
    config = load_config(path)
    assert config.ingest.folder_labels == "auto"
    assert [source.rpartition("/")[2] for source in config.sources] == ["2024-01", "2024-02"]


def test_a_config_that_is_there_stays_and_nothing_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found none"):
        write_first_config(tmp_path)
    with pytest.raises(ValueError, match="there is no such folder"):
        write_first_config(tmp_path / "none")
    picture(tmp_path / "a.png")
    (tmp_path / "windrow.yaml").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        write_first_config(tmp_path)
    assert (tmp_path / "windrow.yaml").read_text() == "mine"


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    said = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert said.exit_code == 0
    assert "1 image" in said.stdout
    assert f"windrow run {tmp_path / 'windrow.yaml'}" in said.stdout


def test_a_folder_stands_in_the_place_of_a_config_and_is_left_as_it_is(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    config = load_config(folder, ["selection.target_size=3"])
    assert (config.name, config.store, config.selection.target_size) == ("my-photos", "data/store", 3)
    assert config.labels.given == ("known.csv",)
    assert {shard.kind for shard in plan_shards(config.sources, config.ingest)} == {"tar", "parquet", "file", "url"}
    assert sorted(folder.rglob("*")) == before


def test_the_paths_of_a_folders_config_start_from_where_one_is_and_the_store_lies_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    config = load_config("my photos")
    assert (config.store, config.labels.given) == ("data/store", ("my photos/known.csv",))
    assert set(config.sources) == {
        f"{'list:' if name == 'web.csv' else ''}my photos/{name}"
        for name in ("*.tar.gz", "some.parquet", "*.JPG", "web.csv", "loose")
    }


def test_a_folder_with_a_config_is_read_by_it(folder: Path) -> None:
    write_first_config(folder)
    (folder / "windrow.yaml").write_text((folder / "windrow.yaml").read_text().replace("my-photos", "mine"))
    assert load_config(folder).name == "mine"
    assert load_config(folder) == load_config(folder / "windrow.yaml")


def test_a_folder_without_anything_to_curate_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wants images, tars, Parquet files or lists of URLs, found none"):
        load_config(tmp_path)
