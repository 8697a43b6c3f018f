"""Outputs that go, or are written anew without something: for take-downs, and for what nobody needs any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.whole_or_absent import file_digest, publish_directory, temporary_directory
from windrow.tasks.storage.store.outputs import MANIFEST, Output, OutputWriter


def remove_output(path: Path) -> None:
    """Remove an output, if it is there; it is whole or absent at any time."""
    shutil.rmtree(_aside(path), ignore_errors=True)
    if path.is_dir():
        path.rename(_aside(path))
        shutil.rmtree(_aside(path))


def restore_output(path: Path) -> None:
    """Bring back an output that was being replaced when the process was killed."""
    if not path.exists() and _aside(path).exists():
        _aside(path).rename(path)


def _aside(path: Path) -> Path:
    return path.parent / f".old-{path.name}"


@contextmanager
def replacing_output(output: Output) -> Iterator[OutputWriter]:
    """Write an output anew under its own name: the one exception to 'what is published never changes'.

    It is for what a take-down leaves of an output. Where a process is killed between the old and the new,
    `restore_output` brings back the old.
    """
    with temporary_directory(output.path.parent) as path:
        writer = OutputWriter(path, path, output.path)
        writer.counts.update(output.counts)
        yield writer
        files = {file.name: file_digest(file) for file in sorted(path.iterdir())}
        manifest = read_sealed(output.path / MANIFEST) | {"files": files, "counts": writer.counts}
        (path / MANIFEST).write_text(sealed_json(manifest))
        shutil.rmtree(_aside(output.path), ignore_errors=True)
        output.path.rename(_aside(output.path))
        publish_directory(path, output.path)
        shutil.rmtree(_aside(output.path))
