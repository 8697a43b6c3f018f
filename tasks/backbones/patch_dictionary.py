"""The arithmetic of a dictionary of small patches: how it is learnt, and how it describes a picture.

Coates, Lee & Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", AISTATS 2011: random patches,
contrast normalised (their section 3.1.1), ZCA whitened, k-means; spherical as in Coates & Ng, "Learning Feature
Representations with K-means", 2012. A picture's patches are encoded by the triangle activation (2011, equation 3) and
averaged over a grid. Ours: the square root, and a principal component analysis whitened half-way.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

PATCH, STRIDE, GRID = 6, 2, 3
CONTRAST = 10.0
"""Added to a patch's variance, in grey levels squared: keeps the noise of flat patches from being blown up."""
WHITENING = 0.1
PATCHES_PER_IMAGE = 20


class Dictionary(nn.Module):
    """Patches → triangle activations → grid means → square root → principal components → length one.

    (n, 3, s, s) → (n, dim). The length of a vector says how busy its picture is; k-means on vectors of all lengths
    makes clusters of single busy pictures beside one that holds nearly all others.
    """

    mean: torch.Tensor
    whiten: torch.Tensor
    centroids: torch.Tensor
    centre: torch.Tensor
    project: torch.Tensor

    def __init__(
        self,
        mean: torch.Tensor,
        whiten: torch.Tensor,
        centroids: torch.Tensor,
        centre: torch.Tensor | None = None,
        project: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("whiten", whiten), ("centroids", centroids)):
            self.register_buffer(name, value)
        self.register_buffer("centre", torch.zeros(1) if centre is None else centre)
        self.register_buffer("project", torch.zeros(1, 1) if project is None else project)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return functional.normalize((self.features(pixels) - self.centre) @ self.project)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, s, s) in 0..255 → (n, 9 n_centroids), before the projection."""
        patches = normalised(functional.unfold(pixels.contiguous(), PATCH, stride=STRIDE).transpose(1, 2))
        white = (patches - self.mean) @ self.whiten
        # |z - c|, from |z|² - 2 z·c + |c|²: (n, positions, n_centroids)
        squares = (white * white).sum(2, keepdim=True) - 2 * (white @ self.centroids.T) + (self.centroids**2).sum(1)
        distance = squares.clamp(min=0).sqrt()
        active = (distance.mean(2, keepdim=True) - distance).clamp(min=0)
        side = (pixels.shape[-1] - PATCH) // STRIDE + 1
        maps = active.transpose(1, 2).reshape(len(pixels), -1, side, side)
        return functional.adaptive_avg_pool2d(maps, GRID).flatten(1).sqrt()


def normalised(patches: torch.Tensor) -> torch.Tensor:
    centred = patches - patches.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.var(-1, keepdim=True) + CONTRAST)


def random_patches(batch: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """PATCHES_PER_IMAGE normalised patches of each picture, (n * PATCHES_PER_IMAGE, 108)."""
    windows = batch.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (n, 3, side, side, PATCH, PATCH), a view
    shape = (len(batch), PATCHES_PER_IMAGE)
    row = torch.randint(windows.shape[2], shape, generator=random)
    column = torch.randint(windows.shape[3], shape, generator=random)
    image = torch.arange(len(batch))[:, None].expand(shape)
    return normalised(windows[image, :, row, column].reshape(len(batch) * PATCHES_PER_IMAGE, -1).float())


def zca(patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = patches.mean(0)
    centred = (patches - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    return mean, (vectors * (values + WHITENING).rsqrt() @ vectors.T).float()


def spherical_kmeans(points: torch.Tensor, n_centroids: int, n_iters: int, random: torch.Generator) -> torch.Tensor:
    """Directions that the points group around, (n_centroids, d) of length one (Coates & Ng 2012, section 2)."""
    first = torch.randint(len(points), (n_centroids,), generator=random)
    # A flat patch has no direction and would start as a zero row: the noise, 1 % of a whitened patch, gives it one.
    noise = torch.randn(n_centroids, points.shape[1], generator=random)
    centroids = functional.normalize(points[first] + 0.01 * noise)
    for _ in range(n_iters):
        likeness, nearest = (points @ centroids.T).max(1)
        sums = torch.zeros_like(centroids).index_add_(0, nearest, points * likeness[:, None])
        empty = sums.norm(dim=1, keepdim=True) < 1e-6
        centroids = torch.where(empty, centroids, functional.normalize(sums))
    return centroids


def half_whitened_pca(features: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(centre, project): components scaled by variance^(-1/4), then all by one factor so that the mean norm² is 1.

    Unscaled, the first few components are all the distance there is; fully whitened, the last are mostly noise.
    """
    centre = features.mean(0)
    centred = (features - centre).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    kept = min(dim, len(features) - 1, len(values))
    values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
    values = values.clamp(min=float(values[0]) * 1e-6 + 1e-12)
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    project = vectors * largest.sign() * values**-0.25
    return centre, (project / values.sqrt().sum().sqrt()).float()
