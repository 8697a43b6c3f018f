"""What `windrow batches` writes and says."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from windrow.tasks.loading.batch_plan import BatchPlan, plan_batches, write_batches
from windrow.tasks.loading.version_samples import read_version_samples


def print_batches(console: Console, version: Path, split: str, where: str | None, plan: BatchPlan, path: Path) -> None:
    """Write a plan of batches over a version, and say what it holds. Raises ValueError as `plan_batches` does."""
    samples = read_version_samples(version, split, where, "keep")
    batches = plan_batches(samples, plan)
    write_batches(path, samples, batches)
    sizes = sorted(map(len, batches))
    text = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    seen = len({int(place) for batch in batches for place in batch})
    again = f"{sum(sizes) - seen:,} times again" if sum(sizes) > seen else "each once"
    console.print(
        f"wrote {path}: {len(batches):,} batches of {text} samples; {seen:,} of {len(samples):,} samples are in them,"
        f" {again}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
