"""A pool whose graph is searched in blocks."""

import pytest
from graph_searches import Whole, made_whole

from windrow.tasks.clusters import neighbor_graph


@pytest.fixture
def every_pool_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbor_graph, "MOST_HERE", 0)


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return made_whole(tmp_path_factory.mktemp("whole"))
