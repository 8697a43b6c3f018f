"""The addresses of `windrow explore`: page, columns as raw numbers, pictures, samples, questions and corrections."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from windrow.flows.commands.answers import print_story
from windrow.flows.serving.asked_windrow import Asked
from windrow.flows.serving.gone import GONE, while_there
from windrow.tasks.corrections.correction_list import Correction, append_corrections
from windrow.tasks.explore.columns import CATEGORIES, NUMBERS, Named, columns_there, read_category, read_numbers
from windrow.tasks.explore.explored_store import SIDES, ExploredStore, matching_sql
from windrow.tasks.explore.likeness import Likeness
from windrow.tasks.explore.sample_facts import class_names, corrections_of, sample_facts
from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.texts.terminal import TextConsole

STATIC = files("windrow.flows.exploring") / "static"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
RAW = "application/octet-stream"
STORY_WIDTH = 88
LIMITS = SqlLimits(memory=2.0, threads=2, seconds=30.0)
"""Of a question that somebody asks in the explorer."""


def explorer_app(explored: ExploredStore, who: str) -> Starlette:
    """Return the app over a store; what is corrected in it is said by `who`."""
    pages = Pages(explored, who)
    routes = [
        Route("/", _static("index.html")),
        *(Route(f"/{name}", _static(name)) for name in sorted(file.name for file in STATIC.iterdir())),
        Route("/pool.json", _told(pages.pool)),
        Route("/places/{plane}", _told(pages.places)),
        Route("/column/{name}", _told(pages.column)),
        Route("/change/{old}/{new}", _told(pages.change)),
        Route("/matching", pages.matching),
        Route("/like/sample/{row:int}", _told(pages.like_sample)),
        Route("/like/text", _told(pages.like_text)),
        Route("/like/picture", pages.like_picture, methods=["POST"]),
        Route("/sample/{row:int}", _told(pages.sample)),
        Route("/image/{row:int}/{side:int}", _told(pages.image)),
        Route("/corrections", pages.correct, methods=["POST"]),
        Route("/corrections", _told(pages.corrections)),
    ]
    return Starlette(routes=routes)


def _static(name: str) -> Callable[[Request], Response]:
    content = (STATIC / name).read_bytes()
    media_type = MEDIA_TYPES[name[name.rindex(".") :]]
    return lambda _: Response(content, media_type=media_type)


def _told(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Answer with 400 and a line what cannot be meant."""

    def answered(request: Request) -> Response:
        try:
            return answer(request)
        except (ValueError, duckdb.Error) as error:
            return PlainTextResponse(str(error), 400)

    return answered


class Pages:
    """What each address answers."""

    def __init__(self, explored: ExploredStore, who: str) -> None:
        self._explored, self._who = explored, who
        self._likeness = Likeness(explored)
        self._asked = Asked(explored.store, LIMITS)

    def pool(self, _: Request) -> Response:
        """What there is: samples, columns, classes, versions, and who corrects."""
        explored = self._explored
        with explored.connection() as connection:
            there = columns_there(connection)
        versions = [version.version for version in list_versions(explored.store, explored.run.name)]
        kinds = {name: "names" if name in CATEGORIES else "numbers" for name in there}
        return JSONResponse(
            {
                "n_samples": len(explored.sample_ids),
                "name": explored.run.name,
                "run": explored.run.run_id,
                "columns": [{"name": name, "title": title, "kind": kinds[name]} for name, title in there.items()],
                "classes": class_names(explored),
                "versions": versions,
                "who": self._who,
                "withdrawn": explored.withdrawn,
                "texts": self._likeness.has_texts,
            }
        )

    def places(self, request: Request) -> Response:
        """A plane: x and y of each sample, float32."""
        planes = self._explored.planes
        found = {"near": planes.near, "components": planes.components}.get(request.path_params["plane"])
        return PlainTextResponse("no such plane", 404) if found is None else _raw(found, {})

    def column(self, request: Request) -> Response:
        """A column: float32, or uint16 codes with their names in the header of the body."""
        name = request.path_params["name"]
        with self._explored.connection() as connection:
            if name in CATEGORIES:
                return _names(read_category(connection, name))
            if name in NUMBERS:
                return _raw(read_numbers(connection, name), {})
        return PlainTextResponse("no such column", 404)

    def change(self, request: Request) -> Response:
        """What became of each sample between two versions."""
        return _names(self._explored.change(request.path_params["old"], request.path_params["new"]))

    async def matching(self, request: Request) -> Response:
        """The rows that a question in SQL finds, uint32; it ends when the one who asked goes away."""
        with tempfile.TemporaryDirectory(prefix="windrow-answer-") as folder:
            to = Path(folder) / "rows.arrow"
            try:
                sql = matching_sql(request.query_params.get("sql", ""))
                there = await while_there(request, self._asked.rows(sql, to, self._explored.run.run_id))
            except ValueError as error:
                return PlainTextResponse(str(error), 400)
            return _raw(await run_in_threadpool(self._explored.found, to), {}) if there else Response(status_code=GONE)

    def like_sample(self, request: Request) -> Response:
        """The similarity of each sample to one of them, float32."""
        return _raw(self._likeness.to_sample(request.path_params["row"]), {})

    def like_text(self, request: Request) -> Response:
        """Likewise to a text."""
        return _raw(self._likeness.to_text(request.query_params.get("text", "")), {})

    async def like_picture(self, request: Request) -> Response:
        """Likewise to a picture, which is the body."""
        data = await request.body()
        try:
            return _raw(await run_in_threadpool(self._likeness.to_picture, data), {})
        except ValueError as error:
            return PlainTextResponse(str(error), 400)

    def sample(self, request: Request) -> Response:
        """One sample: its facts, and its story as `windrow explain` tells it."""
        facts = sample_facts(self._explored, request.path_params["row"])
        told = TextConsole(file=io.StringIO(), width=STORY_WIDTH, emoji=False, color_system=None)
        with self._explored.connection() as connection:
            print_story(told, connection, facts["sample_id"])
        return JSONResponse({**facts, "story": told.file.getvalue()})  # type: ignore[attr-defined]

    def image(self, request: Request) -> Response:
        """A sample's picture, small; 404 with the reason where its bytes are gone."""
        side = request.path_params["side"]
        if side not in SIDES:
            raise ValueError(f"side: wants one of {', '.join(map(str, SIDES))}, got {side}")
        found = self._explored.image(self._explored.sample_id(request.path_params["row"]), side)
        if isinstance(found, SampleGone):
            return PlainTextResponse(found.reason, 404)
        return Response(found.data, media_type=found.media_type)

    def corrections(self, _: Request) -> Response:
        """The corrections that stand, of samples on the map."""
        return JSONResponse(corrections_of(self._explored))

    async def correct(self, request: Request) -> Response:
        """Add what is said of a sample to the store, and answer what stands of it now."""
        try:
            said = json.loads(await request.body())
            if request.headers.get("content-type") != "application/json" or not isinstance(said, dict):
                raise ValueError("wants a JSON object")
            return JSONResponse(await run_in_threadpool(self._correct, said))
        except (ValueError, TypeError, RecursionError) as error:
            return PlainTextResponse(str(error), 400)

    def _correct(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        texts = {name: said.get(name) for name in ("kind", "value", "why")}
        if not all(value is None or isinstance(value, str) for value in texts.values()):
            raise ValueError("kind, value and why are texts")
        sample_id = self._explored.sample_id(_whole_number(said.get("row"), "row"))
        other = None if said.get("other") is None else self._explored.sample_id(_whole_number(said["other"], "other"))
        correction = Correction(sample_id, texts["kind"] or "", self._who, texts["value"], other, texts["why"] or None)
        append_corrections(self._explored.store, [correction])
        return corrections_of(self._explored, sample_id)


def _whole_number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name}: wants a whole number, got {value!r}")
    return value


def _names(found: Named) -> Response:
    return _raw(found.codes, {"names": found.names})


def _raw(array: npt.NDArray[Any], head: Mapping[str, Any]) -> Response:
    """The numbers of an array, little-endian, behind a line of JSON that is filled up to a multiple of 4 bytes."""
    line = json.dumps(head).encode()
    line += b" " * (-(len(line) + 1) % 4) + b"\n"
    body = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return Response(line + body, media_type=RAW)
