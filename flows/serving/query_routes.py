"""What `windrow serve` answers: questions in SQL, as JSON lines, CSV, Arrow or Parquet, and the page of the tables."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from windrow.flows.serving.asked_windrow import LONGEST, Asked
from windrow.flows.serving.gone import GONE, while_there
from windrow.flows.serving.store_page import store_page

FORMS = {
    "json": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


def query_app(asked: Asked) -> Starlette:
    """Return an app of the addresses `/` (the store's tables, for people and agents) and `/query`."""

    async def page(_: Request) -> Response:
        return PlainTextResponse(store_page(), media_type="text/markdown; charset=utf-8")

    async def query(request: Request) -> Response:
        """`sql` and `format` in the address; the SQL may be the body of a POST instead."""
        form = request.query_params.get("format", "json")
        if form not in FORMS:
            return JSONResponse({"error": f"format: wants one of {', '.join(FORMS)}; got {form!r}"}, 400)
        folder = Path(tempfile.mkdtemp(prefix="windrow-answer-"))
        remove = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        try:
            sql = await _sql_of(request)
            to = folder / f"rows.{form}"
            there = await while_there(request, asked.rows(sql, to, request.query_params.get("run")))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400, background=remove)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if not there:
            return Response(status_code=GONE, background=remove)
        return FileResponse(to, media_type=FORMS[form], background=remove)

    return Starlette(routes=[Route("/", page), Route("/query", query, methods=["GET", "POST"])])


async def _sql_of(request: Request) -> str:
    if request.method != "POST":
        return request.query_params.get("sql") or _no_sql()
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise ValueError(f"a question is text of {LONGEST:,} bytes at most")
    try:
        return body.decode() or _no_sql()
    except UnicodeDecodeError:
        raise ValueError("the SQL is not UTF-8") from None


def _no_sql() -> str:
    raise ValueError("wants SQL: as ?sql= of the address, or as the body of a POST")
