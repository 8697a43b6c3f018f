"""What the names of classes say of a pool (CDUL), from the snippets of its pictures and the backbone's texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from windrow.schemas import SNIPPETS
from windrow.tasks.algorithms.labels.text_names import names_of
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.labels.states.multi_label_config import CdulConfig
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.storage.store.pool_file import write_pool

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.states.state_spreading import NamedClasses


@contextmanager
def named_classes(
    pool: Pool,
    snippets: Sequence[Output],
    classes: Sequence[str],
    backbone: BackboneConfig,
    config: CdulConfig,
    folder: Path,
) -> Iterator[NamedClasses]:
    """Say in the block what the names of classes say; the snippets lie meanwhile in one file below `folder`.

    Raises ValueError for fewer than two classes, and what `class_texts` raises.
    """
    from windrow.tasks.algorithms.labels.states.cdul import CdulLabels
    from windrow.tasks.algorithms.labels.states.state_spreading import NamedClasses
    from windrow.tasks.labels.class_texts import class_texts

    if len(classes) < 2:
        raise ValueError(f"labels.multi.cdul: wants two classes or more, given or in class_names; got {list(classes)}")
    texts = class_texts(backbone, names_of(config.class_names, classes), config.templates)
    with temporary_directory(folder) as scratch:
        gathered = write_pool(snippets, scratch, unit=False, memory=memory_budget() // 4, declared=SNIPPETS)
        ids = gathered.sample_ids(slice(0, len(gathered.vectors)))
        rows = np.asarray(pc.fill_null(pc.index_in(pool.sample_ids, ids), -1), np.int64)
        labels = CdulLabels(pool.embeddings, gathered.vectors, rows, texts, config.scale or texts.scale)
        yield NamedClasses(labels.of_classes, config.states == "at-their-word")
