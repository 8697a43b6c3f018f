"""What ingest works on: a shard of a source, and what is found in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

from windrow.schemas.settings import Settings
from windrow.schemas.texts.label_text import named_vocabulary
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.pictures.decoding import MAX_PIXELS

Kind = Literal["file", "tar", "parquet", "url", "python"]
Reach = Literal["folder", "file", "glob"]
Already = Callable[[int], bytes | str | None]
"""What is known of the rows of a list, by position: bytes, or why there are none; None of what is not."""
Name = Annotated[str, MinLen(1)]


@dataclass(frozen=True)
class IngestConfig(Settings):
    """How the sources are read.

    `label_key`, `group_key`, `caption_key`: names of the fields (of a `.json` sidecar, or columns of a Parquet file)
    that hold the label, the group and the caption. `image_column`: the Parquet column that holds the images; None takes
    the first that looks so. `license_key`: likewise for the licence, which stays among the metadata, too, and so in
    what is exported. In a file `label_column` means `label_key`, and so on.

    `folder_labels`: whether the name of a picture's folder, on disk or in a tar, is its label when nothing else gives
    one. 'auto': where every picture of the source (of the tar) lies one folder down, below the folders of splits, no
    other label is found, and the names are not those of dates; the summary says so.

    `image_members`: which of the images with one key are samples ('x.jpg' and 'x.seg.png' have the key x); the others
    accompany them into the export. 'auto': those with a bare extension, and without one those that are not named after
    masks and the like; of loose files only such names accompany. 'all', or a list of extensions: [jpg, left.jpg].

    A sample of more than `max_pixels` pixels or `max_bytes` bytes is unreadable, and so is one that takes more than
    `max_seconds` to decode.

    `mode`: 'index' leaves bytes where they lie and records where, but for those that cannot be found there again
    without reading all that is before them (compressed tars): these are copied into the store. 'copy' copies all of
    them, loose files packed into tars, for sources that will not stay.

    `least_share_of_last`: of the samples that a source, or the pool, had in the last run; a night that finds less ends
    before it publishes anything, and `windrow run` goes on and says so. 0 lets every night go on. With mode 'copy' what
    was copied stays in the pool when it is gone from its source, and is not lost.

    `verify`: 'decode' decodes every distinct sample, so that a damaged one is unreadable from the start; 'header' reads
    its header only, and leaves it to the features to find damage.

    `follow_links`: links in a folder that lead outside the source are followed; by default they are outcomes that say
    so, as a folder that somebody else fills could lead anywhere. Links that lead to something inside are followed.

    `vocabulary`: with `labels.kind: multi`, the classes that were looked for in every sample of a source that has
    labels: one that a sample does not list is absent. Of other classes nothing is known where they are not listed.

    `url_column`: the column of a list that says where its samples are; None takes the first of the usual names.
    `fetch`: how they are fetched.
    """

    aliases: ClassVar[Mapping[str, str]] = {
        f"{role}_column": f"{role}_key" for role in ("label", "group", "caption", "license")
    }

    mode: Literal["index", "copy"] = "index"
    verify: Literal["decode", "header"] = "decode"
    label_key: Name = "label"
    group_key: Name = "group"
    caption_key: Name = "caption"
    license_key: Name = "license"
    image_column: Name | None = None
    folder_labels: bool | Literal["auto"] = "auto"
    image_members: Annotated[tuple[Name, ...], MinLen(1)] = ("auto",)
    max_pixels: Annotated[int, Ge(1), Le(MAX_PIXELS)] = MAX_PIXELS
    max_bytes: Annotated[int, Ge(1)] = 256 * 2**20
    max_seconds: Annotated[float, Gt(0), Le(86400)] = 60.0
    follow_links: bool = False
    least_share_of_last: Annotated[float, Ge(0), Le(1)] = 0.5
    vocabulary: tuple[str | int, ...] = ()
    url_column: Name | None = None
    fetch: FetchConfig = field(default_factory=FetchConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        keys = (self.label_key, self.group_key, self.caption_key)
        if len(set(keys)) < len(keys):
            raise ValueError(f"label_key, group_key, caption_key: want three different names, got {keys}")
        if self.folder_labels not in (True, False, "auto"):
            raise ValueError(f"folder_labels: wants true, false or 'auto', got {self.folder_labels!r}")
        members = tuple(name.lower().lstrip(".") for name in self.image_members)
        if not all(members) or (len(members) > 1 and {"auto", "all"} & set(members)):
            raise ValueError(f"image_members: wants 'auto', 'all' or extensions, got {list(self.image_members)}")
        object.__setattr__(self, "image_members", members)
        object.__setattr__(self, "vocabulary", named_vocabulary("vocabulary", self.vocabulary))

    @property
    def decoding_bytes(self) -> int:
        """Memory that decoding may take beyond that of an idle process: what any format needs within the other limits.

        The hungriest is an animated WebP: four pictures of 4 bytes a pixel, and the file twice.
        """
        return 20 * self.max_pixels + 2 * self.max_bytes + 256 * 2**20


class SourceMissingError(ValueError):
    """There is nothing where a source is said to be."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source. `identity` changes when its content may have; `error` says why it cannot be read.

    `is_table`: whether it only says something of other files. `table`: the one that says something of what is in this.
    """

    path: str
    identity: str
    error: str | None = None
    n_bytes: int = 0
    is_table: bool = False
    table: SourceFile | None = None


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A loose file: its path relative to the source, extension and size of its sidecars, why it cannot be read.

    `elsewhere`: extension, path and size of files of other names that come with it. `table`: the metadata file that
    names it, and `listed` what that says, as JSON.
    """

    path: str
    sidecars: tuple[tuple[str, int], ...] = ()
    error: str | None = None
    elsewhere: tuple[tuple[str, str, int], ...] = ()
    table: str | None = None
    listed: str | None = None


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

    `class_folders`: whether loose files lie in folders that are taken for their classes. `table`: the Parquet file
    beside a tar that says something of its keys. `config`: the settings of the source, where it has some of its own.
    `reach`: what the source was found to be, where that matters.
    """

    source_uri: str
    kind: Kind
    shard: str
    identity: str
    files: tuple[LooseFile, ...] = ()
    run: ListRun | None = None
    error: str | None = None
    class_folders: bool = False
    table: str | None = None
    config: IngestConfig | None = None
    reach: Reach | None = None

    @property
    def name(self) -> str:
        """The last part of `shard`."""
        return self.shard.rpartition("/")[2]


@dataclass(frozen=True)
class Member:
    """A file that comes with a sample; `byte_offset` is that in its tar, None beside a loose file.

    `path`: of a file that is not named after a loose sample, relative to the source.
    """

    extension: str
    byte_offset: int | None
    byte_length: int
    path: str | None = None


@dataclass(frozen=True)
class Found:
    """One occurrence, as it lies in its shard. Either `data` holds its bytes or `error` says why they were not read.

    `columns`: those of the table that it is in, or that names it, whether they were read or not. `class_names` is what
    the numbers of labels stand for in its shard, where that says so.
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
    label_from: str | None = None
    columns: tuple[str, ...] = ()
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
