"""Storage: Parquet, tars, sources, outputs, versions, the catalog, and the readers that training uses."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windrow.tasks.storage.reader import data_loader, open_webdataset

__all__ = ["data_loader", "open_webdataset"]


def __getattr__(name: str) -> Any:
    # Everything imports storage, and only training needs torch and webdataset, which take a second to import.
    if name in __all__:
        from windrow.tasks.storage import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
