"""The kernel on a GPU where there is one; else in Triton's interpreter, in float32, as it has no bfloat16."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> str:
    if not torch.cuda.is_available():
        monkeypatch.setenv("TRITON_INTERPRET", "1")  # read when Triton and the kernel are imported
    pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")
    return "cuda" if torch.cuda.is_available() else "cpu"


def two_lowest(x: torch.Tensor, weights: torch.Tensor, half: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
    """All scores, written out, with inf where a column is skipped and in two more columns."""
    scores = half - x.float() @ weights.float().T
    scores[torch.arange(len(half), device=x.device) == skipped[:, None]] = torch.inf
    return torch.cat([scores, torch.full((len(x), 2), torch.inf, device=x.device)], dim=1)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("multiprocessors", [1, 9])
@pytest.mark.parametrize(("m", "k", "width"), [(1, 1, 16), (300, 37, 48), (129, 129, 192), (64, 700, 64), (5, 999, 80)])
def test_it_finds_the_two_lowest_of_all_scores_but_the_skipped(
    m: int, k: int, width: int, multiprocessors: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from windrow.tasks.algorithms.clustering import fused_search

    monkeypatch.setattr(fused_search, "_multiprocessors", lambda _: multiprocessors)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    x, weights = (torch.randn(rows, width, device=device).to(dtype) for rows in (m, k))
    half = weights.float().square().sum(dim=1) / 2
    skipped = torch.randint(-3, k + 2, (m,), device=device)
    winner, best, second = fused_search.best_two(x, weights, half, skipped)
    every = two_lowest(x, weights, half, skipped)
    lowest = every.sort(dim=1).values
    torch.testing.assert_close(best, lowest[:, 0], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(second, lowest[:, 1], rtol=1e-5, atol=1e-3)
    found = torch.isfinite(best)
    torch.testing.assert_close(every[torch.arange(m), winner][found], best[found], rtol=1e-5, atol=1e-3)
