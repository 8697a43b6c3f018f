"""The demo's pool as files: WebDataset tars, a folder of loose files and a Parquet file."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.storage.sources.source_shard import sample_id_of

TARS = tuple(f"tars/digits-{n:02d}.tar" for n in range(3))
LOOSE = "loose"
PARQUET = "parquet"
JUDGES = "judges"
N_LOOSE, N_PARQUET = 60, 100
"""Samples that lie there and not in the tars, exact duplicates and broken files aside."""


@dataclass(frozen=True)
class Entry:
    """A file of the pool. `given`: its label lies beside it, as `.cls`."""

    data: bytes
    extension: str
    label: str | None = None
    given: bool = False


Placed = Mapping[str, Sequence[tuple[int, Entry]]]


def place_entries(
    originals: Sequence[Entry], duplicates: Sequence[int], broken: Sequence[Entry], rng: np.random.Generator
) -> Placed:
    """Return the numbered entries of each place: a tar, LOOSE or PARQUET. A number says nothing about its entry.

    Those with a given label go into tars. Of the `duplicates` (rows of `originals`) every other goes to LOOSE, the rest
    into a tar that the original is not in; `broken` files likewise alternate.
    """
    free = rng.permutation([n for n, entry in enumerate(originals) if not entry.given])
    loose, parquet = free[:N_LOOSE].tolist(), free[N_LOOSE : N_LOOSE + N_PARQUET].tolist()
    places = [TARS[n % len(TARS)] for n in range(len(originals))]
    for place, rows in ((LOOSE, loose), (PARQUET, parquet)):
        for row in rows:
            places[row] = place
    entries = [*originals]
    for n, row in enumerate(duplicates):
        other = [tar for tar in TARS if tar != places[row]][n // 2 % 2]
        places.append(LOOSE if n % 2 else other)
        entries.append(replace(originals[row], given=False))
    for n, entry in enumerate(broken):
        places.append(TARS[n % len(TARS)] if n % 2 else LOOSE)
        entries.append(entry)
    placed: dict[str, list[tuple[int, Entry]]] = {place: [] for place in (*TARS, LOOSE, PARQUET)}
    for number, row in enumerate(rng.permutation(len(entries)).tolist()):
        placed[places[row]].append((number, entries[row]))
    return placed


def write_sources(folder: Path, placed: Placed) -> None:
    """Write the entries of each place; the same entries give the same bytes."""
    for name in ("tars", LOOSE, PARQUET):
        (folder / name).mkdir()
    for tar in TARS:
        _write_tar(folder / tar, placed[tar])
    for number, entry in placed[LOOSE]:
        (folder / LOOSE / f"{number:06d}.{entry.extension}").write_bytes(entry.data)
    rows = [(f"digits/{number:06d}.{entry.extension}", entry.data) for number, entry in placed[PARQUET]]
    pq.write_table(image_table(rows), folder / PARQUET / "digits.parquet")


def write_judges(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the entries as loose files of a folder, and beside it a CSV of their `sample_id` and label."""
    (folder / JUDGES).mkdir()
    lines = ["sample_id,label"]
    for number, entry in enumerate(entries):
        (folder / JUDGES / f"test-{number:06d}.{entry.extension}").write_bytes(entry.data)
        lines.append(f"{sample_id_of(entry.data)},{entry.label}")
    (folder / f"{JUDGES}.csv").write_text("\n".join(lines) + "\n")


def image_table(rows: Sequence[tuple[str, bytes]]) -> pa.Table:
    """Return a table of (path, bytes) as Hugging Face lays images out: `image`, a struct of bytes and path."""
    kind = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    return pa.table({"image": pa.array([{"bytes": data, "path": path} for path, data in rows], kind)})


def _write_tar(path: Path, entries: Sequence[tuple[int, Entry]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, entry in entries:
            _add(tar, f"digits/{number:06d}.{entry.extension}", entry.data)
            if entry.given and entry.label is not None:
                _add(tar, f"digits/{number:06d}.cls", entry.label.encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # its time, user and group are 0
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
