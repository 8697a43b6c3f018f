"""Storage: Parquet, tars, sources, outputs, versions, the catalog, and the readers that training uses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windrow.tasks.storage.catalog import open_catalog
    from windrow.tasks.storage.reader import data_loader, open_webdataset

__all__ = ["data_loader", "open_catalog", "open_webdataset"]

_MODULES = {"data_loader": "reader", "open_catalog": "catalog", "open_webdataset": "reader"}


def __getattr__(name: str) -> Any:
    # Everything imports storage, and only training needs torch and webdataset, which take a second to import.
    if name in _MODULES:
        return getattr(import_module(f"windrow.tasks.storage.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
