"""A web application for the one who started it: on this machine only, and only for who knows its token.

The token is made anew by each start. It stands in the address (`?token=`), or in a header (`Authorization: Bearer`); a
browser that came with it is remembered by a cookie. The name that a request was sent to must be one of this machine's
own, so that no page from elsewhere reaches it under a name of its own (DNS rebinding).
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from windrow.flows.commands.last_word import note_serving

HOST = "127.0.0.1"
OWN_NAMES = frozenset({"127.0.0.1", "localhost"})
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class OwnersOnly:
    """Lets requests through that carry the token, were sent to this machine by its name, and over HTTP."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token
        self.cookie = f"windrow-{secrets.token_hex(4)}"  # cookies know no ports: of each start its own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        asked = HTTPConnection(scope)
        told, in_address = self._told(asked)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if in_address:
                    kept = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
                    headers.append("Set-Cookie", kept)
            await send(message)

        if asked.headers.get("host", "").partition(":")[0] not in OWN_NAMES:
            await PlainTextResponse("this is no name of this machine\n", 421)(scope, receive, answer)
        elif not told:
            await PlainTextResponse("wants the token that `windrow` printed\n", 401)(scope, receive, answer)
        else:
            await self.app(scope, receive, answer)

    def _told(self, asked: HTTPConnection) -> tuple[bool, bool]:
        """Whether a request has the token, and whether in its address."""
        in_address = self._is_token(asked.query_params.get("token", ""))
        header = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return in_address or any(map(self._is_token, (header, asked.cookies.get(self.cookie, "")))), in_address

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode("utf-8", "replace"), self.token.encode())


def owned_app(routes: Sequence[BaseRoute], token: str) -> ASGIApp:
    """Return an application of these routes, for who has the token."""
    return OwnersOnly(Starlette(routes=list(routes)), token)


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on this machine only; port 0 for one that is free.

    Raises ValueError for a port that is taken or may not be had.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ValueError(f"--port {port}: cannot be had ({error})") from None
    listening.listen()
    return listening


def address(listening: socket.socket, token: str) -> str:
    """Return the address to open, with the token."""
    return f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"


def serve_until_told(app: ASGIApp, listening: socket.socket) -> None:
    """Answer requests until the process is told to end. No address, which would hold the token, is logged."""
    note_serving()
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[listening])
