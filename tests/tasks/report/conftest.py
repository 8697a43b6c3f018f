import pytest
from reported_store import Store, make_store

from windrow.tasks.storage.store.run_records import Run, start_run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def empty_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that made nothing."""
    return start_run(tmp_path_factory.mktemp("empty"), "empty", {}).finish("finished")


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two versions, a worth, corrections, drift: all that a report can tell of."""
    return make_store(tmp_path_factory.mktemp("full"), full=True)
