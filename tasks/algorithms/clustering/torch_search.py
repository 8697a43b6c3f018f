"""Comparing points with centroids on GPUs, in PyTorch and Triton; on PyTorch's CPU too, to see that they agree.

Products are of bfloat16, the fastest that a GPU has, without its precision: a number is split into two, x = h + l, and
x.c is taken as h_x.h_c + h_x.l_c + l_x.h_c, one product of three times the length that is accumulated in float32. What
is left out is about 2^-17 of |x| |c|: close to float32's own error, for three eighths of the time of float32 proper.
Where only the two lowest scores are wanted, a Triton kernel never writes scores out (`fused_search`). Blocks stay on
their device as long as its memory allows; otherwise they travel from pinned memory, each thread's on a stream of its
own, so that one block is copied while another is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.host_search import FEW, rounding, score_error
from windrow.tasks.algorithms.clustering.points import LOW_BITS

CHUNK = 16384
TILE = 8192  # with CHUNK points, 512 MB of scores
SPLIT_BYTES = 6  # a number in two of bfloat16, the larger twice
SPLIT = 3 * 2.0**-17  # the relative error of a product of numbers split in two, in each of its three terms


@dataclass(frozen=True)
class TorchBlock:
    """Some rows of the points on a device.

    values: as they came; parts: bfloat16 (m, width), shifted, split and padded (`_padded`).
    """

    rows: slice
    length: Float32Array
    values: torch.Tensor
    parts: torch.Tensor

    @classmethod
    def of(cls, rows: slice, raw: npt.NDArray[np.floating[Any]], origin: Float32Array, device: str) -> TorchBlock:
        """Rows as they came, brought to a device and shifted by origin."""
        host = torch.from_numpy(np.ascontiguousarray(raw))
        on_gpu = torch.device(device).type == "cuda"
        values = (host.pin_memory() if on_gpu else host).to(device, non_blocking=on_gpu)
        shifted = values.float() - torch.from_numpy(origin).to(device)
        high, low = _split(shifted)
        parts = _padded([high, high, low])
        length = shifted.double().square().sum(dim=1).sqrt().float()
        return cls(rows, length.cpu().numpy(), values, parts)  # copied last: then all of it is done, for every stream

    def take(self, rows: Int64Array) -> TorchBlock:
        """Only some of its rows."""
        index = torch.from_numpy(rows).to(self.values.device)
        return TorchBlock(self.rows, self.length[rows], self.values[index], self.parts[index])

    def raw(self, rows: Int64Array) -> npt.NDArray[np.floating[Any]]:
        """See `Block.raw`."""
        found: npt.NDArray[np.floating[Any]] = self.values[torch.from_numpy(rows).to(self.values.device)].cpu().numpy()
        return found

    def sums(self, rows: Int64Array, groups: Int32Array, scale: float) -> tuple[Int64Array, Int64Array, Int64Array]:
        """See `Block.sums`. Adding integers atomically is exact, whatever the order."""
        found, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
        device = self.values.device
        rest = self.values[torch.from_numpy(rows).to(device)].double()
        words = torch.zeros((2, len(found), rest.shape[1]), dtype=torch.int64, device=device)
        for word, bits in enumerate((scale, 2.0**LOW_BITS)):
            rest *= bits
            whole = rest.round()
            words[word].index_add_(0, torch.from_numpy(place).to(device), whole.long())
            rest -= whole
        return found.astype(np.int64), counts, words.cpu().numpy()


class TorchSearch:
    """Centroids on every device, to be compared with points. At most CHUNK x TILE scores exist at once in a thread."""

    def __init__(
        self, centroids: Float32Array, origin: Float32Array, devices: list[str], only: Int64Array | None = None
    ) -> None:
        k, self.dim = centroids.shape
        self.ids = np.arange(k) if only is None else only
        place = np.full(k + 1, -1, np.int64)  # the last is that of centroid -1, which is none
        place[self.ids] = np.arange(len(self.ids))
        shifted = torch.from_numpy(centroids[self.ids] - origin)
        half = shifted.double().square().sum(dim=1) / 2
        self.place, self.lengths = place, (2 * half).sqrt().float().numpy()
        self.longest = np.float32(self.lengths.max(initial=0))
        high, low = _split(shifted)
        tables = (
            torch.from_numpy(centroids),
            _padded([high, low, high]),
            half.float(),
            torch.from_numpy(place),
        )
        on_each = [tuple(table.to(device) for table in tables) for device in devices]
        self.tables = {found[0].device: found for found in on_each}  # 'cuda' is the device cuda:0

    def length_of(self, centroid: Int64Array) -> Float32Array:
        """See `Search.length_of`."""
        return self.lengths[self.place[centroid]]

    def error(self, length: Float32Array, reach: Float32Array) -> Float32Array:
        """See `Search.error`: the error of split products, and of their sum in float32."""
        return score_error(SPLIT + rounding(3 * self.dim), length, np.minimum(reach, self.longest))

    def best_two(
        self, block: TorchBlock, own: Int32Array, part: slice = slice(None)
    ) -> tuple[Int64Array, Float32Array, Float32Array]:
        """See `Search.best_two`."""
        _, weights, half, place = self._on(block)
        skipped = place[torch.from_numpy(own).to(place.device).long()]
        if block.parts.is_cuda and triton_is_there():
            from windrow.tasks.algorithms.clustering.fused_search import best_two

            start = part.indices(len(half))[0]
            found = best_two(block.parts, weights[part], half[part], skipped - start)
            return self.ids[found[0].cpu().numpy() + start], found[1].cpu().numpy(), found[2].cpu().numpy()
        best = torch.full((len(own),), torch.inf, device=place.device)
        second, winner = best.clone(), torch.zeros(len(own), dtype=torch.int64, device=place.device)
        tiles = range(*part.indices(len(half))[:2], TILE)
        for start in range(0, len(own), CHUNK):
            rows = slice(start, start + CHUNK)
            for first in tiles:
                tile = slice(first, min(first + TILE, tiles.stop))
                scores = half[tile] - _product(block.parts[rows], weights[tile])
                _keep_two(scores, skipped[rows] - first, first, best[rows], second[rows], winner[rows])
        return self.ids[winner.cpu().numpy()], best.cpu().numpy(), second.cpu().numpy()

    def few(self, block: TorchBlock, n: int) -> Int64Array:
        """See `Search.few`."""
        _, weights, half, _ = self._on(block)
        found = []
        for start in range(0, len(block.length), CHUNK):
            scores = half - _product(block.parts[start : start + CHUNK], weights)
            found.append(scores.topk(n, dim=1, largest=False).indices)
        few: Int64Array = self.ids[torch.cat(found).cpu().numpy()]
        return few

    def within(self, block: TorchBlock, limit: Float32Array) -> Iterator[tuple[Int64Array, Int64Array]]:
        """See `Search.within`."""
        _, weights, half, _ = self._on(block)
        most = torch.from_numpy(limit).to(half.device)
        for start in range(0, len(limit), FEW):
            for first in range(0, len(half), TILE):
                tile = slice(first, first + TILE)
                scores = half[tile] - _product(block.parts[start : start + FEW], weights[tile])
                row, column = torch.nonzero(scores <= most[start : start + FEW, None]).T.cpu().numpy()
                yield row + start, self.ids[column + first]

    def distances(self, block: TorchBlock, nearest: Int32Array, rows: Int64Array) -> Float32Array:
        """See `Search.distances`. Squares are added in float64, which leaves no trace of their order in float32."""
        centroids = self._on(block)[0]
        found = []
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            chosen = centroids[torch.from_numpy(nearest[part]).to(centroids.device).long()]
            difference = chosen - block.values[torch.from_numpy(part).to(centroids.device)].float()
            found.append(difference.double().square().sum(dim=1).sqrt().float())
        return torch.cat(found).cpu().numpy() if found else np.empty(0, np.float32)

    def _on(self, block: TorchBlock) -> tuple[torch.Tensor, ...]:
        return self.tables[block.values.device]


def _split(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers as sums of two of bfloat16, the larger first."""
    high = x.bfloat16()
    return high, (x - high.float()).bfloat16()


def _padded(parts: list[torch.Tensor]) -> torch.Tensor:
    """Side by side, with zeros up to a multiple of 16 columns: rows then begin where the copy engines want them."""
    joined = torch.cat(parts, dim=1)
    return torch.nn.functional.pad(joined, (0, -joined.shape[1] % 16)).contiguous()


@cache
def triton_is_there() -> bool:
    """Whether Triton is installed: it comes with PyTorch for CUDA on Linux."""
    return find_spec("triton") is not None


def own_streams(devices: list[str]) -> None:
    """Give the calling thread a stream of its own on each CUDA device."""
    for device in map(torch.device, devices):
        if device.type == "cuda":
            torch.cuda.set_stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


def free_memory(devices: list[str]) -> int | None:
    """Bytes that are free on the one with the fewest, for each; None where it is the host's memory."""
    found = {torch.device(device) for device in devices}
    if any(device.type != "cuda" for device in found):
        return None
    return len(found) * min(torch.cuda.mem_get_info(device)[0] for device in found)


def _product(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """x weights^T of bfloat16, accumulated and returned in float32."""
    if x.is_cuda:
        return torch.mm(x, weights.T, out_dtype=torch.float32)
    return x.float() @ weights.float().T


def _keep_two(
    scores: torch.Tensor,
    skipped: torch.Tensor,
    first: int,
    best: torch.Tensor,
    second: torch.Tensor,
    winner: torch.Tensor,
) -> None:
    """Merge a tile's two lowest scores of each row into those found so far, without the row's own centroid."""
    own = torch.nonzero((skipped >= 0) & (skipped < scores.shape[1]))[:, 0]
    scores[own, skipped[own]] = torch.inf
    score, lowest = scores.min(dim=1)
    scores.scatter_(1, lowest[:, None], torch.inf)
    torch.minimum(second, torch.minimum(scores.amin(dim=1), torch.maximum(best, score)), out=second)
    better = score < best
    winner[better] = lowest[better] + first
    torch.minimum(best, score, out=best)
