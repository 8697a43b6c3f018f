"""A store of each format that there was, kept as it was written: `python tests/golden_store.py` makes that of today.

It is made once for each format, when `FORMAT` is raised, and never again; it holds two versions of a few stripes.
"""

import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

DATA = Path(__file__).parent / "data"


def golden_path(number: int) -> Path:
    """Return where the store of a format is kept."""
    return DATA / f"store-format-{number}.tar.xz"


def unpack(number: int, folder: Path) -> Path:
    """Unpack the store of a format below a folder; return its place."""
    with tarfile.open(golden_path(number)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "store"


def make(path: Path) -> None:
    """Make a store by the code of today, and keep it."""
    from small_pool import curate_small, make_small_pool

    with tempfile.TemporaryDirectory() as folder:
        pool = make_small_pool(Path(folder), 3, export={"formats": ["parquet"]})
        curate_small(pool.config)
        run, _ = curate_small(replace(pool.config, selection=replace(pool.config.selection, target_size=2)))
        with tarfile.open(path, "x:xz", preset=9) as tar:
            tar.add(run.store, "store", filter=_kept)


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    large = member.name.endswith(".html") or "fit_backbone" in member.name  # nothing of a finished run needs them
    return None if large else member


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from windrow.tasks.storage.store.store_format import FORMAT

    make(golden_path(FORMAT))
