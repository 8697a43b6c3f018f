"""A store with two versions of a pool whose names would run in a page."""

import shutil
from pathlib import Path

import pytest
from explored_pool import curate_hostile
from made_once import made_once


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Curate the pool twice, to two sizes; each process of tests has a copy of the store, to say things of it."""
    made = made_once(tmp_path_factory, "hostile", _curate_twice)
    return shutil.copytree(made / "store", tmp_path_factory.mktemp("explored") / "store")


def _curate_twice(folder: Path) -> None:
    for size in (8, 12):
        curate_hostile(folder, size)
