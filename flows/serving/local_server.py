"""A web app served on this machine until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from windrow.flows.serving.token_gate import Guarded, new_token

HOST = "127.0.0.1"
SECONDS_TO_END = 1


def bound(port: int) -> socket.socket:
    """Return a socket at a port of the loopback device, any free one for 0. Raises ValueError when it is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise ValueError(f"--port {port}: cannot be had ({error.strerror}); 0 takes a free one") from None
    return found


def serve(app: ASGIApp, port: int, ready: Callable[[str], None]) -> None:
    """Serve an app at a port until this process is interrupted; `ready` is told the address, once it answers."""
    listening = bound(port)
    number, token = listening.getsockname()[1], new_token()
    settings = uvicorn.Config(
        Guarded(app, token, number),
        access_log=False,  # it would write the token down
        log_level="error",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    listening.listen()  # from here on a browser waits for its answer
    ready(f"http://{HOST}:{number}/{token}/")
    uvicorn.Server(settings).run([listening])
