"""`windrow explore`: a store is opened, its map drawn, and the app served."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from rich.console import Console

from windrow.flows.exploring.pages import explorer_app
from windrow.flows.serving.loopback import serve_owner
from windrow.tasks.explore.explored_store import SIDES, ExploredStore
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.sources.source_settings import recorded_uris
from windrow.tasks.texts.terminal import visible


def explore_store(console: Console, store: Path, run_id: str | None, port: int, browser: bool, who: str) -> None:
    """Serve the explorer over a store until it is interrupted. Raises ValueError where there is no finished run."""
    explored = ExploredStore(store, run_id)
    n = len(explored.sample_ids)
    console.print(visible(f"{explored.run.name}: {n:,} samples of run {explored.run.run_id}"), markup=False)
    if explored.withdrawn:
        console.print(visible(explored.withdrawn), markup=False, highlight=False, soft_wrap=True)
    if isinstance(gone := explored.image(explored.sample_id(0), SIDES[0]), SampleGone):
        told = f"its pictures may not be readable from here: {gone.reason}"
        console.print(visible(told + _where(explored)), markup=False, highlight=False, soft_wrap=True)

    def tell(address: str) -> None:
        console.print(f"explore them at {address} (Ctrl-C ends)", markup=False, highlight=False, soft_wrap=True)
        if browser:
            webbrowser.open(address)

    serve_owner(explorer_app(explored, who), port, tell)


def _where(explored: ExploredStore) -> str:
    """What to do where sources were named relative to another folder."""
    missing = [uri for uri in recorded_uris(explored.run.config) if not Path(uri).is_absolute() and "://" not in uri]
    return (
        f"; {missing[0]} is relative to the folder in which the run was started: start this there too"
        if missing
        else ""
    )
