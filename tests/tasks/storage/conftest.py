"""A store that is sound, made once, and a copy of it to damage."""

import shutil
from pathlib import Path

import pytest
from made_once import made_once
from verified_store import make_store


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "verified", make_store) / "store"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store, with the shards of the version as files of their own."""
    return shutil.copytree(made, tmp_path / "store")
