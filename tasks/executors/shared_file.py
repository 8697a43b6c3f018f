"""A value in a file that many processes map into memory, so that its arrays exist once on a machine."""

from __future__ import annotations

import mmap
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ALIGNMENT = 64  # bytes: what NumPy's vector loops and BLAS like best


@dataclass(frozen=True)
class SharedFile:
    """Where a value lies: `spans` holds (start, stop) bytes of its pickle, then of each of its arrays."""

    path: Path
    spans: tuple[tuple[int, int], ...]


def write_shared(value: Any, path: Path) -> SharedFile:
    """Write a picklable value. Contiguous NumPy arrays anywhere inside it lie beside its pickle (PEP 574)."""
    arrays: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    spans: list[tuple[int, int]] = []
    with path.open("xb") as file:
        for block in (memoryview(stream), *(array.raw() for array in arrays)):
            start = file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
            file.write(block)
            spans.append((start, start + block.nbytes))
        # a last empty array would otherwise start beyond the end of the file
        file.truncate(max(stop for _, stop in spans))
    return SharedFile(path, tuple(spans))


def read_shared(shared: SharedFile) -> Any:
    """Read the value back; its arrays are read-only views of the file, which may be unlinked meanwhile."""
    with shared.path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    stream, *arrays = (mapped[start:stop] for start, stop in shared.spans)
    return pickle.loads(stream, buffers=arrays)  # noqa: S301  our own parent wrote it
