"""Hostile inputs, each with what becomes of it: the parameters of a test, and the table of the page."""

from __future__ import annotations

import json
import re
from typing import Any

from hostile_parquet import parquets
from hostile_pictures import images
from hostile_tars import fields, tars

PAGE = """\
# What becomes of hostile input

Broken, lying and malicious files, and what Windrow makes of each. Nothing here ends a run.

Each of these is built by `tests/hostile_inputs.py` and ingested by `tests/tasks/ingest/test_hostile_input.py`; this
page is written from the same list. An occurrence that cannot be used is a row with a reason. A sidecar or column that
cannot be used is named in the metadata as `windrow_error`, and the sample is kept.

Images are decoded in a process beside each ingest worker, with limits on its memory and time and no right to write
files. When it crashes or takes too long, the image is tried again in a fresh process and then gets the reason
`decoder crashed (SIGSEGV)`, `decoder took longer than 60 s` (`ingest.max_seconds`) or `not enough memory to decode it`.
The others go on. What is looked at later (features, scores, thumbnails) is decoded in such processes, too, with the
same call, so that what ingest passed is not refused there. All of them together share one memory: each may take 256 MB,
and more only while it holds locks on slots of half of the machine's memory. Names in tars are keys, never paths:
nothing is extracted, and links are not followed.

What a file can tell of its own damage is asked: the checksums of a PNG, the end marks of others, and runs of zeros that
no encoder writes. Where nothing in a format tells (a changed byte of a JPEG; a few zeros in the middle of a BMP), it is
another picture, and passes. These are the kinds, with what was tried (`tests/damaged_pictures.py`: 30 files a format):

| Kind | Inputs | Passed before | Passed after |
|---|---|---|---|
| PNG with a byte changed behind its header | 200 | 200 | 0 |
| JPEG (plain, optimised, progressive), two thirds zeros, the end mark kept | 90 | 90 | 0 |
| PNG, WebP (lossy, lossless), AVIF, QOI: zeros to the end | 150 | 150 | 0 |
| the same and JPEG 2000: two thirds zeros in the middle | 210 | 210 | 0 |
| BMP, PPM, raw TIFF: zeros to the end | 90 | 90 | 2 |
| BMP, PPM, raw TIFF: two thirds zeros in the middle (photographs) | 600 | 600 | 77: black is zeros there, too |
| good: the same photographs, and 20,000 pictures of CIFAR-10 as raw pixels | 20,600 | 20,600 | 20,600 |
| a changed byte: JPEG, WebP, JPEG 2000, AVIF, QOI, BMP, PPM, raw TIFF | 360 | 333 | 333: no checksum |
| every format: cut short | 480 | 0 | 0 |
| good: photographs | 200 | 200 | 200 |
| good: PNG with damaged tEXt, zTXt, iTXt, iCCP, eXIf, pHYs and others | 240 | not counted | 240 |
| good: 10, 12 and 14 bits in 16, in 15 kinds of file | 135 | not counted | 135: as at 8 bits, same hash |
| good, not decoded: TIFF of 13 bands, float64, complex, CMYK with alpha, ... | 8 | "damaged" | "not supported" |
| expands: Parquet, one value of 100 MB in a dictionary for 128 rows (3 KB) | 1 | 5,976 MB, 34 s | 874 MB, 2 s |
| expands: Parquet, a page of 1.6 GB (51 KB) | 1 | 2,830 MB, 8 s | 171 MB, 1 s: too large |
| expands: 16-bit grey PNG of 177 million pixels (1.5 MB) | 1 | 4,040 MB, 16 s, refused | 770 MB, 8 s, read |
| expands: palette PNG with alpha of 177 million pixels (0.8 MB) | 1 | 2,363 MB, 5 s | 532 MB, 5 s |

And of what is no picture, each with its generator in the tests (`--faults 24` tries every end of a process):

| Kind | Inputs | Right before | Right after |
|---|---|---|---|
| layouts that people have: folders, tars, Parquet, their labels and captions | 41 | 11 | 41 |
| files of labels, of ids and of distances of a user's own | 113 | 36 | 113 |
| pictures in the formats of other programs (img2dataset, Spark, Hugging Face, ...) | 33 | not counted | 33 |
| exports, by the readers of their own card (webdataset, datasets, ray, litdata) | 42 | 27 | 42 |
| SQL that writes, reads files or the network, in 27 wrappings each | 42 | EXPLAIN ANALYZE wrote | none runs |
| a run told to end or killed: four signals, to it or to its group | 16 | orphans, minutes | 16 in 0.6 to 2.7 s |
| a served schedule (`nightly --cron`), likewise, with a night under way | 6 | not tried | 6 in 10 s, no process left |

What it costs: 2,000 photographs ingested by one process, against the commit before, in turns, seven pairs: 1.027 of the
time in tars and 1.031 as loose files, process start included (2 shared cores). PNG, whose checksums are read, about 5 %
more. Memory of the process grew from 230 to 270 MB.

"""


HOSTILE = [*images(), *tars(), *fields(), *parquets()]


def page() -> str:
    """Return the page."""
    rows = "".join(f"| {one.what} | {one.outcome.replace('|', '/')} |\n" for one in HOSTILE)
    return f"{PAGE}| Input | What becomes of it |\n|---|---|\n{rows}"


def told(occurrences: list[dict[str, Any]], samples: list[dict[str, Any]]) -> str:
    """Return what became of the occurrences of a file, in words."""
    facts = {sample["sample_id"]: sample for sample in samples}
    outcomes = [_told(row, facts) for row in occurrences]
    if len(outcomes) == 1:
        return outcomes[0]
    keys: dict[str, list[str]] = {}
    for row, outcome in zip(occurrences, outcomes, strict=True):
        keys.setdefault(outcome, []).append(f"`{_shown(row['key'])}`")
    return "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in keys.items()) or "no occurrence"


def _told(row: dict[str, Any], facts: dict[str, dict[str, Any]]) -> str:
    if row["unreadable"] is not None:
        return re.sub(r"byte \d+", "byte N", row["unreadable"])
    sample = facts[row["sample_id"]]
    frames = f", {sample['n_frames']} frames" if sample["n_frames"] > 1 else ""
    wrong = json.loads(row["metadata"] or "{}").get("windrow_error")
    label = f", label {row['found_label']}" if row["found_label"] else ""
    what = f"read: {sample['width']} x {sample['height']} {sample['mode']} {sample['format']}{frames}{label}"
    return f"{what} (`windrow_error`: {wrong})" if wrong else what


def _shown(key: str) -> str:
    text = key.encode("unicode_escape").decode()
    return text if len(text) <= 30 else f"{text[:10]}… ({len(key)} characters)"
