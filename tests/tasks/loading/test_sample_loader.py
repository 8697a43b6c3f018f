"""The loader for training: every sample once on every rank's share, in an order that goes on where it stopped."""

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_export import export, image_bytes, make_selection

from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.loading.sample_loader import SampleLoader, data_loader
from windrow.tasks.loading.version_samples import NO_LABEL
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.sources.source_shard import sample_id_of

N_TRAIN = 36
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")  # on two cores


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loader")
    rows, _ = make_selection(folder / "source", 48)
    return export(folder / "store", rows).path


def ids(batches: Any) -> list[str]:
    return [name for _, _, info in batches for name in info["sample_id"]]


def take(loader: SampleLoader, n: int) -> list[str]:
    batches = iter(loader)
    return ids([next(batches) for _ in range(n)])


def test_images_labels_and_columns_are_those_of_the_samples(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source", 24)
    path = export(tmp_path / "store", rows).path
    columns = ("sample_id", "rank", "confidence", "caption", "abstained")
    loader = data_loader(path, batch_size=4, unlabelled="keep", shuffle=False, columns=columns)
    expected = [row for row in rows if row["split"] == "train"]
    assert loader.classes == ("barley", "rye", "wheat") and len(loader) == 5
    seen = 0
    for images, labels, info in loader:
        mine = expected[seen : seen + len(labels)]
        pixels = np.stack([np.asarray(decode_rgb(data[row["sample_id"]])) for row in mine])
        assert images.dtype == torch.float32
        assert np.array_equal((images.permute(0, 2, 3, 1) * 255).round().numpy().astype(np.uint8), pixels)
        known = {None: NO_LABEL, "barley": 0, "rye": 1, "wheat": 2}
        assert labels.tolist() == [known[row["label"]] for row in mine] and labels.dtype == torch.int64
        assert info["sample_id"] == [row["sample_id"] for row in mine]
        assert info["rank"].tolist() == [row["rank"] for row in mine]
        confidences = [np.nan if row["confidence"] is None else row["confidence"] for row in mine]
        assert np.array_equal(info["confidence"].numpy(), np.float32(confidences), equal_nan=True)
        assert info["caption"] == [row["caption"] for row in mine]
        assert info["abstained"].tolist() == [row["abstained"] for row in mine]
        seen += len(labels)
    assert seen == len(expected)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("window", [0, 10])
def test_every_epoch_has_every_sample_once_in_an_order_of_its_own(version: Path, workers: int, window: int) -> None:
    loader = data_loader(version, batch_size=5, unlabelled="keep", workers=workers, window=window, seed=3)
    epochs = [ids(loader) for _ in range(3)]
    assert all(len(epoch) == len(set(epoch)) == N_TRAIN and set(epoch) == set(epochs[0]) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    again = data_loader(version, batch_size=7, unlabelled="keep", window=window, seed=3)
    assert [ids(again) for _ in range(3)] == epochs
    assert ids(data_loader(version, unlabelled="keep", window=window, seed=4)) != epochs[0]


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("last", ["pad", "drop"])
def test_every_rank_has_as_many_batches_and_together_they_have_every_sample(
    version: Path, n_ranks: int, last: Any
) -> None:
    loaders = [
        data_loader(version, batch_size=4, unlabelled="keep", last=last, rank=rank, n_ranks=n_ranks)
        for rank in range(n_ranks)
    ]
    batches = [list(loader) for loader in loaders]
    sizes = [[len(labels) for _, labels, _ in each] for each in batches]
    assert all(each == sizes[0] for each in sizes) and all(len(loader) == len(sizes[0]) for loader in loaders)
    seen = Counter(name for each in batches for name in ids(each))
    if last == "pad":
        assert len(seen) == N_TRAIN and sum(seen.values()) - N_TRAIN < n_ranks
    else:
        assert sum(seen.values()) == len(seen) == N_TRAIN - N_TRAIN % (4 * n_ranks)


@pytest.mark.parametrize(("before", "after"), [((0, 1), (3, 1)), ((2, 2), (0, 4)), ((1, 4), (2, 2)), ((0, 3), (0, 1))])
def test_it_goes_on_in_mid_epoch_with_other_workers_and_ranks(
    version: Path, before: tuple[int, int], after: tuple[int, int]
) -> None:
    def ranks(workers: int, n_ranks: int) -> list[SampleLoader]:
        return [
            data_loader(version, batch_size=3, unlabelled="keep", seed=5, workers=workers, rank=rank, n_ranks=n_ranks)
            for rank in range(n_ranks)
        ]

    whole = ids(ranks(0, 1)[0])
    stopped = ranks(*before)
    first = [take(loader, 2) for loader in stopped]
    states = [loader.state_dict() for loader in stopped]
    assert all(state == states[0] for state in states)
    assert sorted(name for each in first for name in each) == sorted(whole[: 2 * 3 * before[1]])
    resumed = ranks(*after)
    for loader in resumed:
        loader.load_state_dict(states[0])
    rest = [ids(loader) for loader in resumed]
    left = whole[2 * 3 * before[1] :]
    assert set(left) == {name for each in rest for name in each}
    assert sum(map(len, rest)) - len(left) < after[1]
    assert ids(resumed[0]) == ids(_at_epoch(ranks(*after)[0], 1))  # the next epoch is whole


def _at_epoch(loader: SampleLoader, epoch: int) -> SampleLoader:
    loader.load_state_dict({**loader.state_dict(), "epoch": epoch})
    return loader


def test_an_epoch_that_was_left_is_over_and_a_state_at_its_end_is_the_beginning_of_the_next(version: Path) -> None:
    loader = data_loader(version, batch_size=8, unlabelled="keep")
    take(loader, 1)
    assert (loader.epoch, loader.state_dict()["consumed"]) == (0, 8)
    assert len(ids(loader)) == N_TRAIN
    assert loader.state_dict() | {"order": None} == {"epoch": 2, "consumed": 0, "order": None}
    batches = iter(loader)
    next(batches)
    loader.load_state_dict(loader.state_dict())
    with pytest.raises(RuntimeError, match="this epoch is over"):
        next(batches)
    assert len(ids(loader)) == N_TRAIN - 8


class Noise:
    """A transform that draws from every global generator; a class, as workers get it by pickle."""

    def __call__(self, _: Image.Image) -> torch.Tensor:
        return torch.tensor([torch.rand(()).item(), np.random.rand(), random.random()])


def test_random_transforms_draw_the_same_whoever_draws_and_leave_the_generators_alone(version: Path) -> None:
    def drawn(workers: int, batch_size: int) -> torch.Tensor:
        loader = data_loader(version, batch_size=batch_size, transform=Noise(), unlabelled="keep", workers=workers)
        return torch.cat([images for images, _, _ in loader])

    torch.manual_seed(1)
    states = torch.get_rng_state(), random.getstate()
    alone = drawn(0, 4)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert torch.equal(alone, drawn(2, 9))
    assert len(np.unique(alone.numpy())) == alone.numel()


def test_classes_and_versions_come_by_their_shares_at_every_moment(tmp_path: Path, version: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 40, labels=["rye" if i % 3 else "oats" for i in range(40)])
    for row in rows:
        row["sample_weight"] += 1000  # tells whose sample it is: the images are in part the same
    other = export(tmp_path / "store", rows, classes=["rye", "oats"]).path
    loader = data_loader(version, batch_size=6, sampling="class-balanced", samples_per_epoch=60)
    for _, labels, _ in loader:
        assert Counter(labels.tolist()) == {0: 2, 1: 2, 2: 2}
    mixed = data_loader({version: 3, other: 1}, batch_size=8, samples_per_epoch=80)
    assert mixed.classes == ("barley", "oats", "rye", "wheat")
    n_oats = 0
    for _, labels, info in mixed:
        assert 5 <= sum(weight < 1000 for weight in info["sample_weight"].tolist()) <= 7
        n_oats += labels.tolist().count(1)
    assert 4 <= n_oats <= 9  # a third of the 20 that come from the second version


def test_weights_decide_how_often_a_sample_comes(version: Path) -> None:
    loader = data_loader(version, sampling="weighted", samples_per_epoch=2000, unlabelled="keep")
    weight, seen = {}, Counter[str]()
    for _, _, info in loader:
        seen.update(info["sample_id"])
        weight.update(zip(info["sample_id"], info["sample_weight"].tolist(), strict=True))
    total = sum(weight.values())
    assert all(abs(seen[name] - 2000 * weight[name] / total) < 1 for name in weight)


def test_a_predicate_chooses_the_samples(version: Path) -> None:
    loader = data_loader(version, where="rank <= 10 AND label <> 'rye' -- of ten", columns=("rank", "label"))
    seen = [
        (rank, label) for _, _, info in loader for rank, label in zip(info["rank"].tolist(), info["label"], strict=True)
    ]
    assert seen and all(rank <= 10 and label in ("wheat", "barley") for rank, label in seen)


def test_fractions_of_the_labels_are_nested_and_a_tail_is_made(version: Path) -> None:
    def chosen(**settings: float) -> list[int]:
        return [int(rank) for _, _, info in data_loader(version, **settings) for rank in info["rank"]]  # type: ignore[arg-type]

    sets = [set(chosen(label_fraction=fraction)) for fraction in (0.1, 0.3, 1.0)]
    assert [len(each) for each in sets] == [3, 9, 27] and sets[0] < sets[1] < sets[2]
    assert len(chosen(long_tail=9)) == 9 + 3 + 1
    with pytest.raises(ValueError, match="want one of them"):
        data_loader(version, label_fraction=0.5, long_tail=2)
    with pytest.raises(ValueError, match="want a label of every sample"):
        data_loader(version, label_fraction=0.5, unlabelled="keep")


def test_a_transform_may_resize_images_of_several_sizes_and_without_one_it_is_told(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4, formats=("PNG",))
    large = image_bytes(99, "PNG", 20)
    row = next(row for row in rows if row["kind"] == "file" and row["split"] == "train")
    (tmp_path / "source" / row["key"]).write_bytes(large)
    row.update(sample_id=sample_id_of(large), n_bytes=len(large), byte_length=len(large), width=20, height=20)
    path = export(tmp_path / "store", rows).path

    def mean_colour(image: Image.Image) -> torch.Tensor:
        return torch.tensor(np.asarray(image).mean((0, 1)))

    ((images, _, info),) = data_loader(path, unlabelled="keep", transform=mean_colour)
    expected = np.asarray(Image.open(io.BytesIO(large)).convert("RGB")).mean((0, 1))
    assert np.allclose(images[info["sample_id"].index(row["sample_id"])].numpy(), expected)
    with pytest.raises(ValueError, match=r"wants images of one size, got .*give a transform"):
        list(data_loader(path, unlabelled="keep"))


def test_ranks_are_those_of_the_environment(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = data_loader(version, batch_size=4, rank=1, n_ranks=2)
    assert ids(data_loader(version, batch_size=4)) == ids(told)


def test_a_damaged_version_is_named(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 8)
    path = export(tmp_path / "store", rows).path
    tar = path / "webdataset" / "train-000000.tar"
    tar.chmod(0o644)
    tar.write_bytes(bytes(tar.stat().st_size))
    with pytest.raises(RuntimeError, match=r"train-000000\.tar: sample \w{32} cannot be decoded any more.*verify"):
        list(data_loader(path, unlabelled="keep"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"sampling": "weighted", "weight_column": "confidence", "unlabelled": "keep"},
            "confidence is null or below 0",
        ),
        ({"batch_size": 0}, "batch_size: wants 1 or more, got 0"),
        ({"workers": -1}, "workers: wants 0 or more, got -1"),
        ({"split": "val"}, r"split 'val'.*\['train', 'test'\]"),
        ({"where": "rank <"}, "where: 'rank <' is no predicate"),
        ({"where": "rank < 0"}, "no sample of split 'train' is left"),
        ({"where": "rank IN (SELECT 1 FROM read_csv('/etc/passwd'))"}, "is no predicate"),
        ({"unlabelled": "maybe"}, "unlabelled.*'maybe'"),
        ({"sampling": "fair"}, "sampling: wants one of each, class-balanced, weighted, got 'fair'"),
        ({"sampling": "class-balanced", "unlabelled": "keep"}, "wants a label of every sample"),
        ({"sampling": "weighted", "shuffle": False}, "wants shuffle=True"),
        ({"last": "keep"}, "last: wants 'pad' or 'drop', got 'keep'"),
        ({"rank": 2, "n_ranks": 2}, "rank: wants 0 to 1, got 2"),
        ({"rank": 0}, "both of rank and n_ranks"),
        ({"columns": ("size",)}, "a version has no size; it has sample_id"),
        ({"samples_per_epoch": 0}, "an epoch of 1 or more samples"),
        ({"window": -1}, "window and seed of 0 or more"),
    ],
)
def test_bad_calls_are_refused_when_they_are_made(version: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data_loader(version, **settings)


def test_a_version_is_wanted_and_a_state_of_the_same_order(tmp_path: Path, version: Path) -> None:
    with pytest.raises(ValueError, match="no version of a curated set"):
        data_loader(tmp_path)
    with pytest.raises(ValueError, match="wants shares above 0"):
        data_loader({version: 0.0})
    rows, _ = make_selection(tmp_path / "source", 8)
    only_parquet = export(tmp_path / "store", rows, ExportConfig(formats=("parquet",))).path
    with pytest.raises(ValueError, match="no WebDataset shard"):
        data_loader(only_parquet)
    loader = data_loader(version)
    with pytest.raises(ValueError, match="another order of samples: seed was 1, is 0"):
        loader.load_state_dict(data_loader(version, seed=1).state_dict())
    with pytest.raises(ValueError, match="state: wants epoch, consumed and order, got step"):
        loader.load_state_dict({"step": 1})
