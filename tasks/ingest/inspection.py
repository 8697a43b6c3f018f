"""Looking at every distinct sample of a shard once, in a process of its own (`windrow.tasks.pictures.sandbox`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from windrow.tasks.executors.state import worker_state
from windrow.tasks.pictures.decoding import inspect_image
from windrow.tasks.pictures.sandbox import Limits, Sandbox
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, sample_id_of
from windrow.tasks.storage.unusable.other_formats import HEAD_BYTES, format_by_name, other_format

NOT_AN_IMAGE = "not an image"
"""The reason of `inspect_image` for what begins as no picture does; its name may tell more."""


@dataclass(frozen=True)
class Inspected:
    """An occurrence, its sample_id (None: its bytes were not read) and what its sample is.

    `facts`: columns of SAMPLES; None where the sample cannot be used, and `reason` says why, or is refused.
    """

    found: Found
    sample_id: str | None
    facts: dict[str, Any] | None
    reason: str | None


def inspect_all(
    found: Iterable[Found], config: IngestConfig, refused: Collection[str], keep_bytes: bool = False
) -> Iterator[Inspected]:
    """Yield every occurrence in order; bytes go, unless they are to be kept, once they were looked at.

    What is refused is not looked at.
    """
    sandbox = worker_state(_open_sandbox, config)
    verdicts: dict[str, dict[str, Any] | str] = {}
    for (one, sample_id, n_bytes), verdict in sandbox.map(_distinct(found, refused, keep_bytes)):
        if sample_id is not None and verdict is not None:
            if isinstance(verdict, dict):
                verdicts[sample_id] = {"sample_id": sample_id, **verdict, "n_bytes": n_bytes}
            else:
                verdicts[sample_id] = str(verdict)
        known = verdicts.get(sample_id or "")
        if isinstance(known, str):
            by_name = format_by_name(one.extension) if known == NOT_AN_IMAGE else None
            yield Inspected(one, sample_id, None, by_name or known)
        else:
            yield Inspected(one, sample_id, known, one.error)


def _open_sandbox(config: IngestConfig) -> Sandbox:
    limits = Limits(config.max_seconds, config.decoding_bytes)
    return Sandbox(inspect_image, config.max_pixels, config.verify == "decode", limits=limits)


def _distinct(
    found: Iterable[Found], refused: Collection[str], keep_bytes: bool
) -> Iterator[tuple[tuple[Found, str | None, int], bytes | None]]:
    """Give the bytes of a sample with its first occurrence only."""
    seen: set[str] = set(refused)
    last: tuple[bytes, str] | None = None
    for one in found:
        if one.data is None:
            yield (one, None, 0), None
            continue
        # a Parquet dictionary gives one object for many rows
        sample_id = last[1] if last and one.data is last[0] else sample_id_of(one.data)
        last = one.data, sample_id
        n_bytes = len(one.data)
        data = None if sample_id in seen else one.data
        other = None if data is None else other_format(data[:HEAD_BYTES])
        if other is not None:  # not added to what was seen: its next occurrence is told the same
            yield (replace(one, data=None, error=other), sample_id, n_bytes), None
            continue
        seen.add(sample_id)
        yield (one if keep_bytes else replace(one, data=None), sample_id, n_bytes), data
