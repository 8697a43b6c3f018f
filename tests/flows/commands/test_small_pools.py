"""Pools that are too small to choose from: the command ends with a sentence, and no traceback."""

from pathlib import Path

import pytest
from command_line import Result, run_here
from small_pool import png, stripes

PICTURES = [png(stripes(seed)) for seed in range(5)]
CONFIG = """
name: small
sources: [pool]
store: store
features: {name: patches, image_size: 16}
clustering: {n_clusters: [4, 2]}
executor: {kind: inline}
"""
POOLS: dict[str, tuple[list[bytes], int, str]] = {
    "none": ([], 2, "pool' holds no samples"),
    "one": (PICTURES[:1], 2, "at least 2 different pictures; of 1 found, 1 can be used"),
    "copies": (PICTURES[:1] * 4, 2, "at least 2 different pictures; of 4 found, 1 can be used, 3 with the same bytes"),
    "unreadable": ([b"a", b"b", b"c"], 2, "of 3 found, 0 can be used, 3 cannot (3 x not an image)"),
    "two": (PICTURES[:2], 0, "small/v0001"),
    "five": (PICTURES, 0, "small/v0001"),
}


def windrow(what: Path, *words: str, folder: Path | None = None) -> Result:
    return run_here("run", str(what), "--runner", "plain", *words, folder=folder, COLUMNS="300")


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_of_few_pictures_ends_with_a_sentence(tmp_path: Path, name: str) -> None:
    pictures, code, words = POOLS[name]
    (tmp_path / "pool").mkdir()
    for number, data in enumerate(pictures):
        (tmp_path / "pool" / f"{number}.png").write_bytes(data)
    (tmp_path / "windrow.yaml").write_text(CONFIG)
    ended = windrow(tmp_path / "windrow.yaml")
    assert ended.returncode == code, ended.stderr
    assert words in (ended.stderr if code else ended.stdout)
    assert "Traceback" not in ended.stderr


def test_a_pool_of_which_filters_leave_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    for number, data in enumerate(PICTURES):
        (tmp_path / "pool" / f"{number}.png").write_bytes(data)
    (tmp_path / "windrow.yaml").write_text(CONFIG)
    ended = windrow(tmp_path / "windrow.yaml", "-s", "selection.filters=[{name: huge, keep: width > 9999}]")
    assert ended.returncode == 0, ended.stderr
    assert "small: nothing was selected, or all of it is gone: no version" in ended.stdout


def test_a_folder_is_run_without_a_config_and_the_size_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "my pool").mkdir()
    for number, data in enumerate(PICTURES):
        (tmp_path / "my pool" / f"{number}.png").write_bytes(data)
    small = ("-s", "features={name: patches, image_size: 16}", "-s", "executor.kind=inline")
    ended = windrow(Path("my pool"), "--size", "3", *small, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("curating my pool as 'my-pool' in the store data/store; ")
    assert "data/store/curated/my-pool/v0001 (3 samples)" in ended.stdout
    assert len(list((tmp_path / "my pool").iterdir())) == len(PICTURES)
