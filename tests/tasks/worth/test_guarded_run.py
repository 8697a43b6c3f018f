"""A run whose set the guard keeps back publishes nothing, keeps the last version, and says so everywhere."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_pool import make_small_pool

from windrow.flows.summary import read_summary, summarise
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import curate_tonight
from windrow.tasks.runner import PlainRunner
from windrow.tasks.steps import ranking_steps
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.verify.verification import verify

WHY = "worse than 5 of random samples of the pool"


class Listening(PlainRunner):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(n_threads=1, delays=())
        self.said: list[str] = []
        self.announced: list[tuple[Mapping[str, Any], bool]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def announce(self, name: str, what: Mapping[str, Any], is_new: bool) -> None:  # noqa: ARG002
        self.announced.append((what, is_new))


def test_what_is_kept_back_is_told_and_the_last_version_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_small_pool(tmp_path)
    config = replace(pool.config, executor=ExecutorConfig("inline"))
    first = Listening()
    with monkeypatch.context() as patched:
        patched.setattr(ranking_steps, "kept_back", lambda *_: WHY)
        curated = curate_tonight(config, first)
    assert (curated.version, curated.is_new, curated.kept_back) == (None, False, WHY)
    assert f"small: not published: {WHY}" in first.said
    assert first.said[-2:] == ["changed: nothing, and there is no version yet", f"to look at: {WHY}"]
    ((told, is_new),) = first.announced
    assert (told["kept_back"], told["version"], is_new) == (WHY, None, False)
    summary = read_summary(curated.run)
    assert summary.kept_back == WHY
    assert summary.outcomes["not_published"] == 12
    assert "exported" not in summary.outcomes or summary.outcomes["exported"] == 0
    assert f"**Not published**: {WHY}." in summarise(curated.run)
    assert WHY in (curated.run.path / "report.html").read_text()
    reasons = open_catalog(pool.store).sql("SELECT DISTINCT reason FROM outcomes WHERE outcome = 'not_published'")
    assert reasons.fetchall() == [(WHY,)]
    assert not verify(pool.store).damage
    second = curate_tonight(config, Listening())  # now the guard lets it pass
    assert second.version is not None
    assert second.is_new
    assert read_summary(second.run).kept_back is None
    with monkeypatch.context() as patched:
        patched.setattr(ranking_steps, "kept_back", lambda *_: WHY)
        third = Listening()
        assert curate_tonight(config, third).version == replace(second.version, created=False)
    assert third.said[-2:] == ["changed: nothing; v0001 stays", f"to look at: {WHY}"]
    assert len(list_versions(pool.store)) == 1
