"""A store that a test goes on with: what stands before the stages that it is about is found done."""

import shutil
from pathlib import Path

from windrow.tasks.storage.store.store_format import FORMAT_FILE


def begin_store(store: Path, done: Path) -> Path:
    """Make a new store that holds the outputs of another one, `done`, but none of its runs and versions; return it."""
    shutil.copytree(done / "outputs", store / "outputs")
    shutil.copyfile(done / FORMAT_FILE, store / FORMAT_FILE)
    return store
