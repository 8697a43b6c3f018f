from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web_server import Web, serving

from windrow.tasks.fetching.hosts import KNOWN


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve on loopback; what was known of hosts is forgotten, as a port may come back."""
    KNOWN.clear()
    with serving() as server:
        yield server


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "huggingface")
    datasets.disable_progress_bars()
    return datasets
