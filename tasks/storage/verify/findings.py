"""What `windrow verify` has looked at so far, and the damage that it has found."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.files.seals import broken_seal, read_sealed

UNFINISHED = (".tmp-", ".work-")
"""What is being written, or was left by a killed process, has such a name; readers do not see it."""

PIECE = 2**20
LIMITS = SqlLimits(memory=1.0, seconds=None)
"""Of what verification asks of tables."""


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was published: `path` is a file, relative to what was checked, or a table."""

    path: str
    reason: str


class Inspection:
    """Collects damage below `root`, and counts what was looked at.

    `quick` leaves out what reads whole files. `progress` is called with the bytes just read, and what they are of.
    """

    def __init__(self, root: Path, quick: bool = False, progress: Callable[[int, str], None] | None = None) -> None:
        self.root, self.quick = root, quick
        self.damage: list[Damage] = []
        self.unchecked: list[str] = []
        self.n_files = self.n_bytes = self.n_rows = 0
        self._progress = progress
        self._digests: dict[tuple[int, int], str] = {}

    def name(self, path: Path) -> str:
        """Return a path as reports show it."""
        return path.relative_to(self.root).as_posix()

    def report(self, path: Path | str, reason: str) -> None:
        """Note damage to a file, or to a table."""
        self.damage.append(Damage(self.name(path) if isinstance(path, Path) else path, reason))

    def is_sound(self, *places: Path) -> bool:
        """Say that no damage was found at any of these files or below these folders."""
        names = [self.name(place) for place in places]
        found = {each.path for each in self.damage}
        return not any(name in (".", path) or path.startswith(f"{name}/") for name in names for path in found)

    @contextmanager
    def reading(self, path: Path | str) -> Iterator[None]:
        """Report as damage to a file or a table whatever reading it in the block raises because of what it holds."""
        try:
            yield
        except FileNotFoundError:
            self.report(path, "is missing")
        except (OSError, pa.ArrowException, duckdb.Error, tarfile.TarError) as error:
            self.report(path, f"cannot be read: {_first_line(error)}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.report(path, f"does not hold what it should: {_first_line(error)}")

    def sealed(self, path: Path) -> dict[str, Any] | None:
        """Return the values of a sealed JSON file; report what is wrong with it, and return None, otherwise."""
        values = None
        with self.reading(path):
            reason = broken_seal(path)
            self.saw(path)
            if reason is None:
                values = read_sealed(path)
            else:
                self.report(path, reason)
        return values

    def files(self, folder: Path, known: Mapping[str, str], besides: Iterable[str]) -> None:
        """Compare a folder with the files that it should hold: SHA-256 by path, and `besides` without one."""
        for name, sha256 in known.items():
            with self.reading(folder / name):
                if self.quick:
                    self._glance(folder / name)
                elif (found := self.digest(folder / name)) != sha256:
                    self.report(folder / name, f"SHA-256 is {found}, in the manifest {sha256}")
        expected = {*known, *besides}
        for path in sorted(folder.rglob("*")):
            if not path.is_dir() and path.relative_to(folder).as_posix() not in expected:
                self.report(path, "is not in the manifest")

    def _glance(self, path: Path) -> None:
        path.stat()
        if path.suffix == ".parquet":
            pq.read_metadata(path)  # fails when the file is cut short
        self.n_files += 1

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, read in pieces; a file with two names is read once."""
        status = path.stat()
        place = (status.st_dev, status.st_ino)
        if place not in self._digests:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    self.advance(len(piece), self.name(path))
            self._digests[place] = digest.hexdigest()
            self.n_bytes += status.st_size
        self.n_files += 1
        return self._digests[place]

    def saw(self, path: Path) -> None:
        """Count a small file that was read at once."""
        self.n_files += 1
        self.n_bytes += path.stat().st_size
        self.advance(path.stat().st_size, self.name(path))

    def advance(self, n_bytes: int, what: str) -> None:
        """Tell that so many more bytes were read."""
        if self._progress is not None:
            self._progress(n_bytes, what)

    def folders(self, parent: Path, depth: int = 1) -> Iterator[Path]:
        """Yield the folders `depth` levels below `parent`, in order of their names; report files that lie between."""
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            if path.name.startswith(UNFINISHED):
                continue
            if not path.is_dir():
                self.report(path, "does not belong here")
            elif depth > 1:
                yield from self.folders(path, depth - 1)
            else:
                yield path


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
