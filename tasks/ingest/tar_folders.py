"""Class folders inside a tar: known once all of it was read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.storage.sources.beside.class_folders import BY_DEFAULT, are_class_folders, class_folder
from windrow.tasks.storage.sources.source_fields import is_image
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard


def with_folder_labels(occurrences: pa.Table, shard: SourceShard, config: IngestConfig) -> pa.Table:
    """Return OCCURRENCES of a tar with the names of its folders as labels, where these are taken for classes.

    One folder is enough, if it is not called as the tar is: tars that were filled in order hold one class each. Whether
    the source as a whole has classes is seen when its labels are used (`labels_that_count`).
    """
    if shard.kind != "tar" or config.folder_labels != "auto" or occurrences["label_from"].null_count < len(occurrences):
        return occurrences
    keys, extensions = occurrences["key"].to_pylist(), occurrences["extension"].to_pylist()
    labels = [
        class_folder(key) if is_image(extension) else None for key, extension in zip(keys, extensions, strict=True)
    ]
    images = [key for key, extension in zip(keys, extensions, strict=True) if is_image(extension)]
    if not are_class_folders(images, least=1) or set(labels) <= {None, shard.name.partition(".")[0]}:
        return occurrences
    found = pa.array(labels, pa.string())
    places = pc.if_else(pc.is_valid(found), pa.scalar(BY_DEFAULT), pa.scalar(None, pa.string()))
    for name, column in (("found_label", found), ("label_from", places)):
        at = occurrences.schema.get_field_index(name)
        occurrences = occurrences.set_column(at, occurrences.schema.field(at), column)
    return occurrences
