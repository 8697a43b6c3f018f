"""Cheap measures of a picture, from a grey square of it: blur, brightness, contrast, entropy and a perceptual hash.

All are of luma (ITU-R BT.601, 0 to 255) on `SIDE` x `SIDE` pixels, whatever the picture's size and shape, so that a
value means the same for a thumbnail and for a photograph of 12 megapixels. What is finer than 1/128 of a side is not
seen: a picture that was enlarged counts as blurred, and a large one that is soft in its last pixels does not.

Sums are of integers that float64 holds exactly, in whatever order a machine adds them; only the last division, square
root or logarithm rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIDE = 128
HASH_SIDE = 32
LOW = 8  # frequencies of each axis that the hash keeps
MIN_CONTRAST = 2 / 255
"""Below it there is no hash: its bits would be those of rounding and of noise, alike in all flat pictures."""

_FREQUENCY, _PIXEL = np.arange(LOW)[:, None], np.arange(HASH_SIDE)
_COSINES = np.rint(4096 * np.cos(np.pi * (2 * _PIXEL + 1) * _FREQUENCY / (2 * HASH_SIDE)))


@dataclass(frozen=True)
class Quality:
    """Measures of n pictures, in their order.

    `blur`: float32, variance of the Laplacian of luma in 0..1; 0 is flat, low is blurred, high is sharp or noisy.
    `brightness`: float32, mean luma, 0 (black) to 1 (white).
    `contrast`: float32, standard deviation of luma, 0 (flat) to 0.5 (half black, half white).
    `entropy`: float32, bits of the histogram of luma, 0 (one grey) to 8 (each of 256 equally often).
    `phash`: int64, 64 bits; the number of bits in which two differ says how different the pictures look.
    `has_hash`: bool; where False, the picture is flat and its `phash` is 0 and means nothing.
    """

    blur: npt.NDArray[np.float32]
    brightness: npt.NDArray[np.float32]
    contrast: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    phash: npt.NDArray[np.int64]
    has_hash: npt.NDArray[np.bool_]


def measure(squares: npt.NDArray[np.uint8]) -> Quality:
    """Measure grey squares, uint8 (n, SIDE, SIDE). Raises ValueError for another type or shape."""
    if squares.dtype != np.uint8 or squares.ndim != 3 or squares.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"squares: expected uint8 (n, {SIDE}, {SIDE}), got {squares.dtype} {squares.shape}")
    counts = _histograms(squares)
    brightness, contrast = _moments(counts)
    has_hash = contrast >= MIN_CONTRAST
    return Quality(
        laplacian_variance(squares),
        brightness.astype(np.float32),
        contrast.astype(np.float32),
        _entropy(counts),
        np.where(has_hash, perceptual_hash(squares), 0),
        has_hash,
    )


def laplacian_variance(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Variance of 4 x - up - down - left - right over the inner pixels, luma in 0..1: float32 (n,).

    The measure of focus LAPV of Pech-Pacheco et al. 2000 ("Diatom autofocusing in brightfield microscopy"). Measured on
    100 photographs: 0.0022 to 0.087, median 0.014; under a Gaussian blur of 1 % of the shorter side 0.0002 to 0.0037,
    median 0.001; of 2 %, at most 0.0005. So `blur > 0.001` drops what is plainly out of focus and little else.
    """
    x = squares.astype(np.int16)
    edges = x[:, 1:-1, 1:-1] * np.int16(4)
    for side in (x[:, :-2, 1:-1], x[:, 2:, 1:-1], x[:, 1:-1, :-2], x[:, 1:-1, 2:]):
        edges -= side
    flat = edges.reshape(len(x), -1).astype(np.float64)
    n, total, squared = flat.shape[1], flat.sum(axis=1), np.einsum("ij,ij->i", flat, flat)
    return np.asarray((n * squared - total**2) / (n * 255.0) ** 2, np.float32)


def perceptual_hash(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The 8 x 8 lowest frequencies of the DCT-II of each square at 32 x 32, 1 where above their median: int64 (n,).

    The DCT hash of Zauner 2010 ("Implementation and benchmarking of perceptual image hash functions"), with the lowest
    row and column of frequencies. The first bit is the mean's, then along the rows. The cosines are rounded to 1/4096:
    all products are then integers, and a frequency that is not there is 0 and not noise.

    Half of the bits are 1 but where frequencies tie, so that distances are even. Measured on 200 photographs: median 0
    and at most 4 at half size and JPEG quality 50; median 4 and at most 10 without 2 % of each side and at quality 40;
    two different photographs are at least 12 apart, the median is 32.
    """
    low = (_COSINES @ _shrunk(squares) @ _COSINES.T).reshape(len(squares), LOW * LOW)
    ordered = np.sort(low, axis=1)
    bits = 2 * low > (ordered[:, 31] + ordered[:, 32])[:, None]
    return np.packbits(bits, axis=1).view(">i8")[:, 0].astype(np.int64)


def _shrunk(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Sums of 4 x 4 pixels, by strides: numpy's sum over short axes takes seven times as long."""
    factor = SIDE // HASH_SIDE
    rows = squares[:, ::factor].astype(np.uint16)
    for step in range(1, factor):
        rows += squares[:, step::factor]
    small = rows[:, :, ::factor].copy()
    for step in range(1, factor):
        small += rows[:, :, step::factor]
    return small.astype(np.float64)


def _histograms(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    counts = [np.bincount(square.ravel(), minlength=256) for square in squares]
    return np.reshape(counts, (-1, 256)).astype(np.float64)


def _moments(counts: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of luma in 0..1, from its histograms."""
    n, grey = SIDE * SIDE, np.arange(256.0)
    total, squared = (counts * grey).sum(axis=1), (counts * grey**2).sum(axis=1)
    return total / (n * 255), np.sqrt(n * squared - total**2) / (n * 255)


def _entropy(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """- sum p log2 p over the greys that occur (Shannon 1948)."""
    share = counts / (SIDE * SIDE)
    bits = share * np.log2(np.where(counts > 0, share, 1))
    return np.asarray(np.abs(bits.sum(axis=1)), np.float32)  # abs: -0.0 of a flat picture
