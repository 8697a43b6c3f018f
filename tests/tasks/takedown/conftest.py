"""A curated store, and copies of it to forget samples in."""

from pathlib import Path

import pytest
from small_pool import SmallPool, curate_small, make_small_pool
from taken_down import copied


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    """A store with one version, which tests copy."""
    pool = make_small_pool(tmp_path_factory.mktemp("small"), export={"soft_labels": "probabilities"})
    curate_small(pool.config)
    return pool


@pytest.fixture
def pool(curated: SmallPool, tmp_path: Path) -> SmallPool:
    return copied(curated, tmp_path / "store")
