"""All kinds of sources: each one file, and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from windrow.tasks.storage.sources.folder_source import FolderSource
from windrow.tasks.storage.sources.list_source import ListSource
from windrow.tasks.storage.sources.parquet_source import ParquetSource
from windrow.tasks.storage.sources.source import Source
from windrow.tasks.storage.sources.tar_source import TarSource
from windrow.tasks.storage.sources.user_source import UserSource

SOURCES: Mapping[str, Source] = {
    "url": ListSource(),
    "python": UserSource(),
    "tar": TarSource(),
    "parquet": ParquetSource(),
    "file": FolderSource(),
}
"""By the `kind` of their shards. Of files that lie in a folder the first kind that takes one has it."""
