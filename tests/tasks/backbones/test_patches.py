from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, load_backbone
from windrow.tasks.backbones.patch_dictionary import CONTRAST, Dictionary
from windrow.tasks.backbones.patches import fit_patches, save_patches


@pytest.fixture(scope="module")
def fitted(pictures: list[Image.Image]) -> dict[str, np.ndarray]:
    return fit_patches(pictures, n_centroids=16, dim=12, seed=3)


def test_shapes_are_as_promised(fitted: dict[str, np.ndarray]) -> None:
    shapes = {name: array.shape for name, array in fitted.items()}
    assert shapes == {
        "mean": (108,),
        "whiten": (108, 108),
        "centroids": (16, 108),
        "centre": (144,),
        "project": (144, 12),
        "image_size": (),
    }
    assert np.allclose(np.linalg.norm(fitted["centroids"], axis=1), 1, atol=1e-5)


def test_the_same_pictures_and_seed_give_the_same_file_whatever_the_threads(
    pictures: list[Image.Image], tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    for threads in (1, 4):
        torch.set_num_threads(threads)
        save_patches(fit_patches(pictures, n_centroids=16, dim=12, seed=3), tmp_path / f"{threads}.npz")
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "4.npz").read_bytes()
    save_patches(fit_patches(pictures, n_centroids=16, dim=12, seed=4), tmp_path / "other.npz")
    assert (tmp_path / "other.npz").read_bytes() != (tmp_path / "1.npz").read_bytes()


def test_features_are_those_of_the_paper_worked_out_one_patch_at_a_time(fitted: dict[str, np.ndarray]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.float64)
    maps = np.zeros((14, 14, 16))
    for row in range(14):
        for column in range(14):
            patch = pixels[:, 2 * row : 2 * row + 6, 2 * column : 2 * column + 6].reshape(-1)
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + CONTRAST)
            white = (patch - fitted["mean"]) @ fitted["whiten"]
            distance = np.linalg.norm(fitted["centroids"] - white, axis=1)
            maps[row, column] = np.maximum(0, distance.mean() - distance)
    thirds = [slice(0, 5), slice(4, 10), slice(9, 14)]  # adaptive pooling of 14 into 3 shares two lines
    features = np.sqrt(
        np.array([[maps[r, c, k].mean() for r in thirds for c in thirds] for k in range(16)]).reshape(-1)
    )
    expected = (features - fitted["centre"]) @ fitted["project"]
    expected /= np.linalg.norm(expected)
    arrays = [torch.from_numpy(fitted[k]) for k in ("mean", "whiten", "centroids", "centre", "project")]
    found = Dictionary(*arrays)(torch.from_numpy(pixels[None]).float())[0].numpy()
    assert np.allclose(found, expected, atol=1e-4)


def test_embeddings_have_length_one(fitted: dict[str, np.ndarray], pictures: list[Image.Image], tmp_path: Path) -> None:
    save_patches(fitted, tmp_path / "patches.npz")
    backbone = load_backbone(BackboneConfig("patches"), tmp_path / "patches.npz")
    vectors = backbone.embed(np.stack([backbone.prepare(p) for p in pictures]))
    assert vectors.shape == (len(pictures), backbone.dim) == (len(pictures), 12)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_components_of_the_fitted_pictures_are_centred_uncorrelated_and_of_mean_square_one(
    fitted: dict[str, np.ndarray], pictures: list[Image.Image]
) -> None:
    arrays = [torch.from_numpy(fitted[k]) for k in ("mean", "whiten", "centroids", "centre", "project")]
    dictionary = Dictionary(*arrays)
    pixels = np.stack([np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC)) for picture in pictures])
    features = dictionary.features(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    vectors = ((features - dictionary.centre) @ dictionary.project).numpy().astype(np.float64)
    covariance = vectors.T @ vectors / len(vectors)
    assert np.abs(vectors.mean(0)).max() < 1e-4
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-4
    assert np.trace(covariance) == pytest.approx(1, abs=1e-3)


def test_copies_lie_closer_than_other_pictures(
    fitted: dict[str, np.ndarray], pictures: list[Image.Image], tmp_path: Path
) -> None:
    save_patches(fitted, tmp_path / "patches.npz")
    backbone = load_backbone(BackboneConfig("patches"), tmp_path / "patches.npz")
    copies = [p.resize((p.width * 2, p.height * 2), Image.Resampling.BICUBIC) for p in pictures]
    vectors, others = (backbone.embed(np.stack([backbone.prepare(p) for p in s])) for s in (pictures, copies))
    nearest = np.linalg.norm(vectors[:, None] - others[None], axis=2).argmin(1)
    assert (nearest == np.arange(len(pictures))).mean() > 0.95


def test_few_or_flat_pictures_still_give_finite_embeddings(tmp_path: Path) -> None:
    flat = [Image.new("RGB", (20, 20), colour) for colour in ("black", "white", "black")]
    weights = fit_patches(flat, n_centroids=8)
    save_patches(weights, tmp_path / "patches.npz")
    backbone = load_backbone(BackboneConfig("patches"), tmp_path / "patches.npz")
    assert backbone.dim == 2
    assert np.isfinite(backbone.embed(np.stack([backbone.prepare(p) for p in flat]))).all()


def test_only_the_first_pictures_are_read(pictures: list[Image.Image]) -> None:
    source = iter(pictures)
    fit_patches(source, n_centroids=4, dim=2, max_images=10)
    assert len(list(source)) == len(pictures) - 10


def test_bad_calls_name_the_argument(
    pictures: list[Image.Image], fitted: dict[str, np.ndarray], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="at least two pictures, got 1"):
        fit_patches(pictures[:1])
    with pytest.raises(ValueError, match="n_iters must be at least 1, got 0"):
        fit_patches(pictures, n_iters=0)
    save_patches(fitted, tmp_path / "patches.npz")
    with pytest.raises(ValueError, match=r"image_size is 64, but .* was fitted at 32"):
        load_backbone(BackboneConfig("patches", image_size=64), tmp_path / "patches.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    for name in ("broken.npz", "missing.npz"):
        with pytest.raises(BackboneUnavailable, match="is not a file of fitted patches"):
            load_backbone(BackboneConfig("patches"), tmp_path / name)


def test_it_tells_digits_apart_better_than_their_pixels_do(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="the extra 'demo' is not installed")
    digits = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))[:600]
    drawn = [Image.fromarray((digits.images[i] * 15).astype(np.uint8)).convert("RGB") for i in order]
    save_patches(fit_patches(drawn[:400], n_centroids=32, dim=64), tmp_path / "patches.npz")
    backbone = load_backbone(BackboneConfig("patches"), tmp_path / "patches.npz")
    vectors = backbone.embed(np.stack([backbone.prepare(p) for p in drawn]))
    labels = digits.target[order]
    pixels = digits.data[order] - digits.data[order[:400]].mean(0)

    def accuracy(rows: np.ndarray) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float((labels[:400][(unit[400:] @ unit[:400].T).argmax(1)] == labels[400:]).mean())

    assert accuracy(vectors) > max(0.96, accuracy(pixels) - 0.01)
