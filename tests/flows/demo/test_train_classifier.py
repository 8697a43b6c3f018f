"""The training example learns what there is to learn, the same way each time."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_export import export, make_selection

from windrow.flows.demo.train_classifier import (
    TrainingConfig,
    balanced_accuracy,
    main,
    measure_version,
    read_labelled_images,
    train_on_version,
)
from windrow.tasks.storage.sources.source_shard import sample_id_of


def stripes(label: str, seed: int) -> bytes:
    """A noisy 8x8 image, bright on every other row (label 'rows') or column ('columns')."""
    values = np.random.default_rng(seed).integers(0, 90, (8, 8), dtype=np.uint8)
    bright = values if label == "rows" else values.T
    bright[seed % 2 :: 2] += 150
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def stripes_version(folder: Path, n: int = 64, flip: bool = False) -> Path:
    rows, _ = make_selection(folder, n, formats=("PNG",))
    for i, row in enumerate(rows):
        label = ("rows", "columns")[i % 2]
        data = stripes(label, i)
        (folder / f"{i}.png").write_bytes(data)
        if flip:
            label = ("columns", "rows")[i % 2]
        row.update(sample_id=sample_id_of(data), n_bytes=len(data), byte_length=len(data), label=label, abstained=False)
        row.update(kind="file", shard=".", key=f"{i}.png", format="PNG", byte_offset=None)
    rows[5].update(label=None, abstained=True)
    return export(folder / "store", rows, classes=["rows", "columns", "never seen"]).path


def stripes_test(path: Path) -> Path:
    labels = [("rows", "columns")[i % 2] for i in range(40)]
    images = [{"bytes": stripes(label, 1000 + i), "path": None} for i, label in enumerate(labels)]
    pq.write_table(pa.table({"image": images, "label": labels}), path)
    return path


def test_it_learns_stripes_and_says_so_for_two_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = stripes_version(tmp_path / "good"), stripes_version(tmp_path / "bad", flip=True)
    test = stripes_test(tmp_path / "test.parquet")
    threads = torch.get_num_threads()
    main([str(good), "--test", str(test), "--against", str(bad), "--epochs", "6"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit("  ", 1)[1] for line in lines] == [str(good), str(bad)]
    first, second = (float(line.split()[2]) for line in lines)
    assert first > 0.9 and second < 0.1  # trained on the opposite labels, it is right to be wrong
    assert torch.get_num_threads() == threads


def test_the_seed_decides_the_network_and_the_callers_random_state_stays(tmp_path: Path) -> None:
    version = stripes_version(tmp_path / "good", 16)
    before = torch.get_rng_state()

    def weights(seed: int) -> list[Any]:
        network = train_on_version(version, TrainingConfig(n_epochs=2, seed=seed)).network
        return [value.tolist() for value in network.state_dict().values()]

    first = weights(0)
    assert weights(0) == first != weights(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_balanced_accuracy_by_hand() -> None:
    # 'a' is right 3 times of 4, 'b' never of 1, 'c' always of 2: (3/4 + 0 + 1) / 3
    truth, predicted = list("aaaabcc"), list("aaabacc")
    assert math.isclose(balanced_accuracy(truth, predicted), (3 / 4 + 0 + 1) / 3)
    for bad in ([], ["a"]):
        with pytest.raises(ValueError, match="as many predictions as labels"):
            balanced_accuracy(bad, [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1), st.integers(1, 3))
def test_repeating_a_class_does_not_change_balanced_accuracy(pairs: list[tuple[str, str]], times: int) -> None:
    more = pairs + [pair for pair in pairs if pair[0] == "a"] * times

    def measure(pairs: list[tuple[str, str]]) -> float:
        return balanced_accuracy([truth for truth, _ in pairs], [predicted for _, predicted in pairs])

    assert math.isclose(measure(more), measure(pairs))


def test_test_images_come_from_a_file_or_a_folder_and_unlabelled_ones_are_left_out(tmp_path: Path) -> None:
    images = [{"bytes": stripes("rows", n), "path": None} for n in range(3)]
    (tmp_path / "test").mkdir()
    for n, part in enumerate(([0, 1], [2])):
        labels = pa.array([None if i == 1 else i for i in part], pa.int64())
        pq.write_table(pa.table({"label": labels, "image": [images[i] for i in part]}), tmp_path / f"test/{n}.parquet")
    found, names = read_labelled_images(tmp_path / "test")
    assert names == ["0", "2"] and [image.mode for image in found] == ["RGB", "RGB"]
    assert read_labelled_images(tmp_path / "test" / "1.parquet")[1] == ["2"]


def test_bad_calls_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version, test = stripes_version(tmp_path / "good", 8), stripes_test(tmp_path / "test.parquet")
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--test", str(test)])
    assert "no version of a curated set" in capsys.readouterr().err
    with pytest.raises(ValueError, match="there is no file"):
        measure_version(version, tmp_path / "nowhere.parquet")
    pq.write_table(pa.table({"label": ["a"]}), tmp_path / "bare.parquet")
    with pytest.raises(ValueError, match="no column 'image'"):
        read_labelled_images(tmp_path / "bare.parquet")
    pq.write_table(pa.table({"image": pa.nulls(1), "label": pa.nulls(1)}), tmp_path / "unlabelled.parquet")
    with pytest.raises(ValueError, match="no labelled image"):
        read_labelled_images(tmp_path / "unlabelled.parquet")
    rows, _ = make_selection(tmp_path / "none", 4, labels=[None] * 4)
    with pytest.raises(ValueError, match="no labelled image to train on"):
        train_on_version(export(tmp_path / "store", rows).path)
    with pytest.raises(ValueError, match="n_epochs"):
        TrainingConfig(n_epochs=0)
    with pytest.raises(ValueError, match="multiple of 4"):
        TrainingConfig(image_size=30)
