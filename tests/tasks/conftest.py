from collections.abc import Iterator

import pytest
from web_server import Web, serving

from windrow.tasks.fetching.hosts import KNOWN


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve on loopback; what was known of hosts is forgotten, as a port may come back."""
    KNOWN.clear()
    with serving() as server:
        yield server
