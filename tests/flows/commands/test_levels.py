"""What `windrow levels` prints."""

import io
from pathlib import Path

import pytest
import yaml
from reported_store import make_store
from rich.console import Console

from windrow.flows.commands.levels import print_levels, print_proposal
from windrow.tasks.algorithms.clustering.level_settings import propose_levels
from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.run_records import start_run


def console(width: int = 160) -> Console:
    return Console(file=io.StringIO(), width=width)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_proposal_gives_each_level_a_reason_and_ends_with_a_line_for_the_config() -> None:
    shown = console()
    print_proposal(shown, 1_000_000, target_size=1000)
    *_, last = printed(shown).splitlines()
    proposed = propose_levels(1_000_000, 1000)
    settings = {"name": "x", "sources": ["x"], **yaml.safe_load(last)}
    assert parse_config(settings).clustering.n_clusters == proposed.n_clusters
    assert parse_config(settings).clustering.n_resamples == proposed.n_resamples
    assert "10,000 │        50 │ about 100.0 samples each: beyond 10 for each wanted sample" in printed(shown)


def test_the_levels_of_a_run_are_printed_with_their_sizes_and_inertia(tmp_path: Path) -> None:
    shown = console(width=80)
    print_levels(shown, open_catalog(make_store(tmp_path).run.store))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed(shown).splitlines() if "│" in line]
    assert rows == [
        ["clusters", "13", "3"],
        ["members each", "0 · 5–5 · 5", "4 · 4–5 · 5"],
        ["samples each", "0 · 5–5 · 5", "20 · 20–20 · 20"],
        ["one member", "0%", "0%"],
        ["empty", "1", "0"],
        ["effective", "12.0", "3.0"],
        ["largest", "8.3%", "33.3%"],
        ["inertia", "24.0", "57.0"],
        ["a member", "0.4000", "4.3846"],
    ]


def test_a_run_without_clusters_is_a_mistake_that_is_told(tmp_path: Path) -> None:
    run = start_run(tmp_path, "empty", {}).finish("finished")
    with pytest.raises(ValueError, match="no clusters"):
        print_levels(console(), open_catalog(run.store, run.run_id))
