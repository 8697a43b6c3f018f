"""Who may speak to a web app of this machine's user: this machine alone, by its name, with the token of each address.

The token is made anew by each start. It is the first part of every path, and no cookie: cookies know no ports, so that
a page of another local program would be sent with one. A page of another site cannot reach the app: it does not know
the token, its name is not this host's (DNS rebinding), and what it sends says where it comes from. What the app answers
loads nothing from anywhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
OWN_NAMES = frozenset({HOST, "localhost"})
LARGEST_BODY = 64 << 20
"""Bytes of what is sent: a picture from elsewhere."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""`no-store`: no picture stays in a browser's files, where a take-down would not find it."""


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def address(token: str, port: int) -> str:
    """Return the address to open: all that the app answers lies under it."""
    return f"http://{HOST}:{port}/{token}/"


class Guarded:
    """An ASGI app whose addresses all begin with `/<token>/`, and which answers to OWN_NAMES at one port only.

    Another host is told 421, another token 403, a request of another site 403, and a body over LARGEST_BODY 413.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in OWN_NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send_guarded)
            return
        inside = {**scope, "path": scope["path"].removeprefix(f"/{self._token}")}
        await self._app(inside, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["type"] != "http":
            return PlainTextResponse("only HTTP is spoken here", 400)
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return PlainTextResponse("not a name of this host", 421)
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        given = first.encode(errors="replace")
        if not secrets.compare_digest(given, self._token.encode()) or (not rest and not scope["path"].endswith("/")):
            return PlainTextResponse("the address wants its token: take the whole of what `windrow` printed", 403)
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return PlainTextResponse("not from a page of another site", 403)
        return _body_refusal(headers)


def _body_refusal(headers: Headers) -> PlainTextResponse | None:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        return PlainTextResponse("wants the length of what is sent", 411)
    return PlainTextResponse("too much at once", 413) if int(length) > LARGEST_BODY else None
