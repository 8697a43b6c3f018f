"""A store with two versions of a pool whose names would run in a page."""

from pathlib import Path

import pytest
from explored_pool import curate_hostile


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Curate the pool twice, to two sizes."""
    folder = tmp_path_factory.mktemp("explored")
    curate_hostile(folder, size=8)
    return curate_hostile(folder, size=12).store
