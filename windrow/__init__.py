"""Turns a pool of raw images into curated, pseudo-labelled training sets. The names below are the library.

Each is loaded when it is first asked for, so `import windrow` costs milliseconds and loads neither Prefect nor torch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windrow.tasks.algorithms.clustering.estimator import HierarchicalKMeans
    from windrow.tasks.algorithms.labels.checks.label_errors import find_label_errors
    from windrow.tasks.algorithms.labels.few_labels import spread_labels
    from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
    from windrow.tasks.algorithms.selection.ranking import rank
    from windrow.tasks.config import CurationConfig, load_config
    from windrow.tasks.loading.sample_loader import data_loader
    from windrow.tasks.loading.training_log import TrainingLog
    from windrow.tasks.loading.webdataset_pipeline import open_webdataset
    from windrow.tasks.pipeline import curate
    from windrow.tasks.storage.catalog.views import open_catalog

__version__ = "0.1.0"

PLACES = {
    "CurationConfig": "windrow.tasks.config",
    "HierarchicalKMeans": "windrow.tasks.algorithms.clustering.estimator",
    "TrainingLog": "windrow.tasks.loading.training_log",
    "curate": "windrow.tasks.pipeline",
    "data_loader": "windrow.tasks.loading.sample_loader",
    "find_label_errors": "windrow.tasks.algorithms.labels.checks.label_errors",
    "load_config": "windrow.tasks.config",
    "near_duplicates": "windrow.tasks.algorithms.neighbors.deduplication",
    "open_catalog": "windrow.tasks.storage.catalog.views",
    "open_webdataset": "windrow.tasks.loading.webdataset_pipeline",
    "rank": "windrow.tasks.algorithms.selection.ranking",
    "spread_labels": "windrow.tasks.algorithms.labels.few_labels",
}
__all__ = [
    "CurationConfig",
    "HierarchicalKMeans",
    "TrainingLog",
    "__version__",
    "curate",
    "data_loader",
    "find_label_errors",
    "load_config",
    "near_duplicates",
    "open_catalog",
    "open_webdataset",
    "rank",
    "spread_labels",
]

if not Path(__file__).with_name("tasks").exists():  # a checkout: flows, tasks and schemas lie beside this folder
    __path__.append(str(Path(__file__).parent.parent))


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'windrow' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
