"""What ingest works on: a shard of a source, and what is found in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from windrow.schemas.settings import Settings
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.pictures.decoding import MAX_PIXELS

Kind = Literal["file", "tar", "parquet", "url", "python"]
Already = Callable[[int], bytes | str | None]
"""What is known of the rows of a list, by position: bytes, or why there are none; None of what is not."""
Name = Annotated[str, MinLen(1)]


@dataclass(frozen=True)
class IngestConfig(Settings):
    """How the sources are read.

    `label_key`, `group_key`, `caption_key`: names of the fields (of a `.json` sidecar, or columns of a Parquet file)
    that hold the label, the group and the caption. `image_column`: the Parquet column that holds the images; None takes
    the first that looks so. `license_key`: likewise for the licence, which stays among the metadata, too, and so in
    what is exported. `folder_labels`: the name of a loose file's folder is its label when no sidecar gives one;
    off by default, because folders are often named after dates or batches. A sample of more than `max_pixels` pixels or
    `max_bytes` bytes is unreadable, and so is one that takes more than `max_seconds` to decode.

    `mode`: 'index' leaves bytes where they lie and records where, but for those that cannot be found there again
    without reading all that is before them (compressed tars): these are copied into the store. 'copy' copies all of
    them, loose files packed into tars, for sources that will not stay.

    `verify`: 'decode' decodes every distinct sample, so that a damaged one is unreadable from the start; 'header' reads
    its header only, and leaves it to the features to find damage.

    `url_column`: the column of a list that says where its samples are; None takes the first of the usual names.
    `fetch`: how they are fetched.
    """

    mode: Literal["index", "copy"] = "index"
    verify: Literal["decode", "header"] = "decode"
    label_key: Name = "label"
    group_key: Name = "group"
    caption_key: Name = "caption"
    license_key: Name = "license"
    image_column: Name | None = None
    folder_labels: bool = False
    max_pixels: Annotated[int, Ge(1), Le(MAX_PIXELS)] = MAX_PIXELS
    max_bytes: Annotated[int, Ge(1)] = 256 * 2**20
    max_seconds: Annotated[float, Gt(0), Le(86400)] = 60.0
    url_column: Name | None = None
    fetch: FetchConfig = field(default_factory=FetchConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        keys = (self.label_key, self.group_key, self.caption_key)
        if len(set(keys)) < len(keys):
            raise ValueError(f"label_key, group_key, caption_key: want three different names, got {keys}")

    @property
    def decoding_bytes(self) -> int:
        """Memory that decoding may take beyond that of an idle process: what any format needs within the other limits.

        The hungriest is an animated WebP: four pictures of 4 bytes a pixel, and the file twice.
        """
        return 20 * self.max_pixels + 2 * self.max_bytes + 256 * 2**20


@dataclass(frozen=True)
class SourceFile:
    """A file of a source. `identity` changes when its content may have; `error` says why it cannot be read."""

    path: str
    identity: str
    error: str | None = None
    n_bytes: int = 0


@dataclass(frozen=True)
class LooseFile:
    """A loose file: its path relative to the source, extension and size of its sidecars, why it cannot be read."""

    path: str
    sidecars: tuple[tuple[str, int], ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class ListRun:
    """Rows of a list that are ingested as one: `n_rows` from row `first` on, from 0.

    In CSV and JSONL the first of them begins at byte `offset`, in line `line`. `column` says where the samples are, and
    `digest` is a hash of what the rows say.
    """

    first: int
    n_rows: int
    offset: int
    line: int
    column: str
    digest: str


@dataclass(frozen=True)
class SourceShard:
    """A piece of a source that is ingested as one: a tar, a Parquet file, some loose files, or some rows of a list.

    `shard` is the tar's, the Parquet file's or the first loose file's path relative to the source (its name, where the
    source is that file itself). `identity` changes when the content may have: size and time of change (or the ETag) of
    the file, or a fingerprint of these for all `files`, the loose files and their sidecars, or of what the rows of a
    list say (`run`; of its local files also size and time). `error` says why a tar, a Parquet file or a list cannot be
    opened. The shards of a list are named `<path>#<first row>`.
    """

    source_uri: str
    kind: Kind
    shard: str
    identity: str
    files: tuple[LooseFile, ...] = ()
    run: ListRun | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """The last part of `shard`."""
        return self.shard.rpartition("/")[2]


@dataclass(frozen=True)
class Member:
    """A file that comes with a sample; `byte_offset` is that in its tar, None beside a loose file."""

    extension: str
    byte_offset: int | None
    byte_length: int


@dataclass(frozen=True)
class Found:
    """One occurrence, as it lies in its shard. Either `data` holds its bytes or `error` says why they were not read.

    `class_names` is what the numbers of labels stand for in its shard, where that says so.
    """

    position: int
    key: str
    extension: str | None
    byte_offset: int | None = None
    byte_length: int | None = None
    data: bytes | None = None
    error: str | None = None
    label: str | None = None
    caption: str | None = None
    group: str | None = None
    metadata: str | None = None
    members: tuple[Member, ...] = ()
    license: str | None = None
    class_names: tuple[str, ...] | None = None


def sample_id_of(data: bytes) -> str:
    """Return the sample_id: the first 32 hex digits of SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def too_large(n_bytes: int, config: IngestConfig) -> str | None:
    """Return why a sample of `n_bytes` is not read, None when it is."""
    return f"too large: {n_bytes} > {config.max_bytes} bytes" if n_bytes > config.max_bytes else None


def access_error(error: OSError) -> str | None:
    """Return the reason when `error` is about the file; None when it is about the disk or the network."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
        return "file is gone"
    return "permission denied" if isinstance(error, PermissionError) else None
