from collections.abc import Iterator

import pytest
from web_server import Web, serving

from windrow.tasks.fetching import hosts


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve on loopback; what was known of hosts is forgotten, as a port may come back."""
    hosts._hosts.clear()
    with serving() as server:
        yield server
