"""The two lowest scores of every row in one Triton kernel: scores live in registers and are never written.

By calculation, not yet measured on a GPU: below some hundred dimensions a score that is written out and read again
costs more time than its product.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

ROWS, COLUMNS, INNER = 128, 128, 64  # of a tile; three of them in flight take 98 KB of shared memory
PROGRAMS = 4  # for each multiprocessor: where rows are few, the columns are split too


@triton.jit
def _best_two(
    x, weights, half, skipped, best, second, winner,
    m, k, width, share,
    n_rows: tl.constexpr, n_columns: tl.constexpr, n_inner: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * n_rows + tl.arange(0, n_rows)
    split = tl.program_id(1)
    own = tl.load(skipped + row, mask=row < m, other=-1)
    low = tl.full((n_rows,), float("inf"), tl.float32)
    next_low = tl.full((n_rows,), float("inf"), tl.float32)
    place = tl.zeros((n_rows,), tl.int32)
    x_row = x + row.to(tl.int64)[:, None] * width
    last = tl.minimum((split + 1) * share, k)
    for first in range(split * share, last, n_columns):
        column = first + tl.arange(0, n_columns)
        weights_column = weights + column.to(tl.int64)[None, :] * width
        product = tl.zeros((n_rows, n_columns), tl.float32)
        for start in range(0, width, n_inner):
            inner = start + tl.arange(0, n_inner)
            left = tl.load(x_row + inner[None, :], mask=(row < m)[:, None] & (inner < width)[None, :], other=0.0)
            right = tl.load(
                weights_column + inner[:, None], mask=(column < k)[None, :] & (inner < width)[:, None], other=0.0
            )
            product = tl.dot(left, right, product)
        scores = tl.load(half + column, mask=column < k, other=float("inf"))[None, :] - product
        scores = tl.where(column[None, :] == own[:, None], float("inf"), scores)
        lowest, at = tl.min(scores, axis=1, return_indices=True)
        others = tl.min(tl.where(column[None, :] == (first + at)[:, None], float("inf"), scores), axis=1)
        next_low = tl.minimum(tl.minimum(next_low, others), tl.maximum(low, lowest))
        place = tl.where(lowest < low, first + at, place)
        low = tl.minimum(low, lowest)
    out = split * m + row
    tl.store(best + out, low, mask=row < m)
    tl.store(second + out, next_low, mask=row < m)
    tl.store(winner + out, place, mask=row < m)


def best_two(
    x: torch.Tensor, weights: torch.Tensor, half: torch.Tensor, skipped: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of half - weights.x, without the skipped column of each row: the lowest's column, it, and the second lowest.

    x: bfloat16 (m, width); weights: bfloat16 (k, width); half: float32 (k,); skipped: int64 (m,), out of range for
    none. Returns int64 (m,) and two of float32 (m,), inf where there is none. Products are accumulated in float32.
    """
    (m, width), k = x.shape, len(weights)
    row_tiles, column_tiles = triton.cdiv(m, ROWS), triton.cdiv(k, COLUMNS)
    splits = min(column_tiles, max(triton.cdiv(PROGRAMS * _multiprocessors(x), row_tiles), 1))
    share = triton.cdiv(column_tiles, splits) * COLUMNS
    splits = triton.cdiv(k, share)
    best, second = (torch.empty((splits, m), device=x.device) for _ in range(2))
    winner = torch.empty((splits, m), dtype=torch.int32, device=x.device)
    with torch.cuda.device(x.device if x.is_cuda else -1):
        _best_two[(row_tiles, splits)](
            x, weights, half, skipped, best, second, winner, m, k, width, share, ROWS, COLUMNS, INNER, num_warps=8
        )
    lowest, split = best.min(dim=0)
    runner_up = torch.minimum(second.min(dim=0).values, best.scatter(0, split[None], torch.inf).min(dim=0).values)
    return winner.gather(0, split[None])[0].long(), lowest, runner_up


def _multiprocessors(x: torch.Tensor) -> int:
    return torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 1
