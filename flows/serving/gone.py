"""Work for somebody who may go away before it is done: a browser that is closed, or asks something else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request

GONE = 499
"""Status of an answer that nobody waits for; it is never sent."""


async def while_there(request: Request, work: Coroutine[Any, Any, object]) -> bool:
    """Do some work, but cancel it when the one who asked goes away first; returns whether it was done.

    What the request holds has been read before.
    """
    done, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({done, gone}, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            await done
        return done.done()
    finally:
        done.cancel()
        gone.cancel()
        await asyncio.gather(done, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
