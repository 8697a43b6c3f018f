"""Outputs of stages: directories named by a fingerprint, whole or absent.

A stage is a pure function of its inputs, its config and its code's version. The fingerprint of these three names its
output, so the question 'is it done?' is 'does the directory exist?', and nothing else resumes work. An output is
written under a temporary name, its manifest last, and renamed when whole; of two runs that write the same output the
first rename wins and the second finds it done. Later stages fingerprint an output's `digest`, the hash of its content:
work that comes out the same does not make later work run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas import Table
from windrow.tasks.storage.files.digested_file import DigestedFile
from windrow.tasks.storage.files.left_out import leave_out
from windrow.tasks.storage.files.parquet import read_table, write_table, writing_table
from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.whole_or_absent import file_digest, publish_directory, temporary_directory

MANIFEST = "manifest.json"
_KEY = re.compile(r"[0-9a-f]{32}")
SECONDS_BETWEEN_MARKS = 3600.0
"""That an output is used is marked at its manifest, as the time of its last change; no oftener than so."""
REMEMBERED = "models"
"""The folder of what loaded models said of themselves (`windrow.tasks.features.remembered`)."""


def fingerprint(*parts: Any) -> str:
    """Return 32 hex digits that name `parts` (JSON-able values, dataclasses): equal parts, equal fingerprint."""
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no fingerprint of a {type(value).__name__}")


@dataclass(frozen=True)
class Output:
    """A finished output: `inputs` is what it was made from, `files` maps a file's name to its SHA-256."""

    stage: str
    path: Path
    inputs: Mapping[str, Any]
    files: Mapping[str, str]
    counts: Mapping[str, int]
    seconds: float
    finished_at: float

    @property
    def digest(self) -> str:
        """The hash of the content."""
        return fingerprint(dict(self.files))

    def table_path(self, declared: Table) -> Path:
        """Return the Parquet file of a table of this output."""
        return self.path / f"{declared.name}.parquet"

    def read(self, declared: Table, columns: list[str] | None = None) -> pa.Table:
        """Read a table of this output."""
        return read_table(declared, [self.table_path(declared)], columns)


class OutputWriter:
    """Collects the files of one output in a temporary directory (`path`), which is renamed to `final` when whole.

    `work` is a directory, not made yet, for what should outlive a kill so that the same output can be gone on with;
    it is removed once the output is published. What long work keeps there must be a function of the output's inputs.
    """

    def __init__(self, path: Path, work: Path, final: Path) -> None:
        self.path, self.work, self.final = path, work, final
        self.counts: dict[str, int] = {}
        self.digests: dict[str, str] = {}

    @contextmanager
    def appending(self, name: str) -> Iterator[DigestedFile]:
        """Add a file, hashed while it is written."""
        with DigestedFile(self.path / name) as file:
            yield file
        self.digests[name] = file.sha256 or ""

    def writing(
        self, declared: Table, schema: pa.Schema, **layout: Any
    ) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """Add a table part by part, see `writing_table`."""
        return writing_table(declared, self.path / f"{declared.name}.parquet", schema, **layout)

    def write(self, declared: Table, table: pa.Table) -> None:
        """Validate and add a table."""
        write_table(declared, table, self.path / f"{declared.name}.parquet")


def output_path(store: Path, stage: str, key: str) -> Path:
    """Return where the output of `stage` with fingerprint `key` lies."""
    return store / "outputs" / stage / key[:2] / key


def find_output(store: Path, stage: str, key: str) -> Output | None:
    """Return the finished output, or None when this work is not done."""
    path = output_path(store, stage, key)
    return open_output(path) if (path / MANIFEST).exists() else None


def open_output(path: Path) -> Output:
    """Open a finished output by its path, and mark it as used.

    Raises ValueError, naming the file, when its manifest is damaged.
    """
    output = _opened(path)
    with suppress(OSError):  # a store that may only be read
        if time.time() - (path / MANIFEST).stat().st_mtime > SECONDS_BETWEEN_MARKS:
            os.utime(path / MANIFEST)
    return output


def _opened(path: Path) -> Output:
    manifest = read_sealed(path / MANIFEST)
    try:
        return Output(
            stage=manifest["stage"],
            path=path,
            inputs=manifest["inputs"],
            files=manifest["files"],
            counts=manifest["counts"],
            seconds=manifest["seconds"],
            finished_at=manifest["finished_at"],
        )
    except KeyError as error:
        raise ValueError(f"{path / MANIFEST} is damaged: it has no {error}") from None


def work_path(final: Path) -> Path:
    """Return the directory of what should outlive a kill while an output is made (`OutputWriter.work`)."""
    return final.parent / f".work-{final.name}"


@contextmanager
def writing_output(store: Path, stage: str, key: str, inputs: Mapping[str, Any]) -> Iterator[OutputWriter]:
    """Write an output: yields a writer, publishes its directory when the block ends well, removes it otherwise.

    `inputs` is what the fingerprint was made of; it is kept in the manifest as the output's provenance.
    """
    final = output_path(store, stage, key)
    final.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with temporary_directory(final.parent) as path:
        work = work_path(final)
        writer = OutputWriter(path, work, final)
        yield writer
        files = {file.name: writer.digests.get(file.name) or file_digest(file) for file in sorted(path.iterdir())}
        manifest = {
            "stage": stage,
            "fingerprint": key,
            "inputs": inputs,
            "files": files,
            "counts": writer.counts,
            "seconds": time.monotonic() - started,
            "finished_at": time.time(),
        }
        plain = json.loads(json.dumps(manifest, sort_keys=True, default=_plain))
        (path / MANIFEST).write_text(sealed_json(plain))
        publish_directory(path, final)
        shutil.rmtree(work, ignore_errors=True)


def all_outputs(store: Path, stage: str = "*") -> Iterator[Output]:
    """Yield the finished outputs of a store, by path; none is marked as used."""
    for path in sorted((store / "outputs").glob(f"{stage}/*/[0-9a-f]*/{MANIFEST}")):
        if _KEY.fullmatch(path.parent.name):
            yield _opened(path.parent)
        else:
            leave_out(path.parent, "is no output")


@dataclass(frozen=True)
class Done:
    """What a stage hands on across task boundaries: where an output lies, and whether it was there already."""

    path: str
    found: bool
    counts: Mapping[str, int]


def make_output(
    store: Path, stage: str, version: int, inputs: Mapping[str, Any], write: Callable[[OutputWriter], None]
) -> Done:
    """Find the output of `stage` for these inputs, or let `write` fill one and publish it.

    `version` is the stage's code version, to raise whenever the same inputs should give other bytes. `inputs` holds
    everything else that the output depends on: digests of earlier outputs and the stage's config.
    """
    provenance = {"stage": stage, "version": version, **inputs}
    key = fingerprint(provenance)
    output = find_output(store, stage, key)
    found = output is not None
    if output is not None:
        shutil.rmtree(work_path(output.path), ignore_errors=True)  # of a process killed before it came to that
    else:
        refuse_new_work(stage)
        with writing_output(store, stage, key, provenance) as writer:
            write(writer)
        output = open_output(output_path(store, stage, key))
    return Done(str(output.path.relative_to(store)), found, output.counts)


def place_of(store: Path, stage: str, version: int, inputs: Mapping[str, Any]) -> Path:
    """Return where `make_output` would put the output of `stage` for these inputs."""
    return output_path(store, stage, fingerprint({"stage": stage, "version": version, **inputs}))


def is_done(store: Path, stage: str, version: int, inputs: Mapping[str, Any]) -> bool:
    """Say whether `make_output` would find the output of `stage` for these inputs."""
    there = (place_of(store, stage, version, inputs) / MANIFEST).exists()
    if not there:
        refuse_new_work(stage)
    return there


class NotDoneError(Exception):
    """Work that is not done was asked for while `only_finding`."""


_only_finding = ContextVar("_only_finding", default=False)


def refuse_new_work(what: str) -> None:
    """Raise NotDoneError while `only_finding`: called before work begins."""
    if _only_finding.get():
        raise NotDoneError(what)


@contextmanager
def only_finding() -> Iterator[None]:
    """Do nothing new in this block: where an output is not there yet, NotDoneError is raised in its stead.

    So a process that has loaded no model can see whether work is done before it asks a worker for it.
    """
    token = _only_finding.set(True)
    try:
        yield
    finally:
        _only_finding.reset(token)


def content_fingerprint(outputs: Sequence[Output]) -> str:
    """Return a fingerprint of what outputs hold together, in whatever order they come."""
    return fingerprint(sorted({output.digest for output in outputs}))
