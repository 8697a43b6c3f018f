"""A web app for the one who started it: on this machine only, only for who has its address, until it is told to end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from windrow.flows.commands.last_word import note_only_answers
from windrow.flows.serving.token_gate import HOST, Guarded, address, new_token


def serve_owner(app: ASGIApp, port: int, tell: Callable[[str], object]) -> None:
    """Answer requests until the process is told to end; `tell` is given the address once it can be opened.

    Port 0 is one that is free. No address, which would hold the token, is logged. Raises ValueError for a port that is
    taken or may not be had.
    """
    with _listen(port) as listening:
        number, token = listening.getsockname()[1], new_token()
        tell(address(token, number))
        note_only_answers()
        guarded = Guarded(app, token, number)
        config = uvicorn.Config(
            guarded, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none"
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ValueError(f"--port {port}: cannot be had ({error})") from None
    listening.listen()
    return listening
