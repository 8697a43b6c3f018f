"""`windrow serve`: a store asked over HTTP on this machine, or as the tools of an agent."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from windrow.flows.serving.asked_windrow import Asked
from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.catalog.views import connect_run


def serve_http(console: Console, store: Path, port: int, limits: SqlLimits) -> None:
    """Print an address with a token, and answer until told to end. Raises ValueError where nothing can be asked."""
    from windrow.flows.serving.loopback import serve_owner
    from windrow.flows.serving.query_routes import query_app

    def tell(address: str) -> None:
        console.print(address, markup=False, highlight=False, soft_wrap=True)
        console.print("reads only, for this machine, and for who has this address; Ctrl-C ends it", soft_wrap=True)

    connect_run(store).close()
    serve_owner(query_app(Asked(store, limits)), port, tell)


def serve_agent(store: Path, limits: SqlLimits) -> None:
    """Speak MCP on input and output until the input ends. Raises ValueError where nothing can be asked."""
    from windrow.flows.serving.agent_tools import agent_server

    server = agent_server(Asked(store, limits))
    connect_run(store).close()
    server.run("stdio")
