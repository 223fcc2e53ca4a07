"""The application that serves the page."""

from __future__ import annotations

import json
import mimetypes
import re
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from yt360.errors import BadItem, UserError
from yt360.explore.byte_ranges import range_response
from yt360.explore.parts import Review
from yt360.explore.security import Access, Guard
from yt360.explore.site import JSON, PICTURES, NotThere, Site
from yt360.explore.sources.source import MEDIA_TYPES
from yt360.terminal.text import printable
from yt360.untrusted.names import path_inside

PAGE = Path(__file__).parent / "page"
"""The page's own files."""
MAX_REQUEST_BYTES = 1 << 16
NO_CACHE = {"Cache-Control": "no-cache"}
_NUMBER = re.compile(r"[0-9]{1,15}")
_MIME_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}


def create_app(
    site: Site, review: Review | None = None, access: Access | None = None, page: Path = PAGE
) -> ASGIApp:
    """Return the application.

    Args:
        site: The content.
        review: Where decisions are stored; None if there is no such place.
        access: Who may use it; by default everybody on this machine.
        page: Folder of the page's own files.
    """

    async def index(_: Request) -> Response:
        return _page_file(page, "index.html")

    async def static(request: Request) -> Response:
        return _page_file(page, f"static/{request.path_params['path']}")

    def site_json(_: Request) -> Response:
        return Response(site.site_json(), media_type=JSON, headers=NO_CACHE)

    def chunk(request: Request) -> Response:
        return Response(
            site.chunk_json(request.path_params["number"]), media_type=JSON, headers=NO_CACHE
        )

    def scores(request: Request) -> Response:
        after = request.query_params.get("after", "")
        content = site.changes_json(int(after) if _NUMBER.fullmatch(after) else 0)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=JSON, headers=NO_CACHE)

    def media(request: Request) -> Response:
        name = request.path_params["name"]
        member = site.member(request.path_params["row"], name)
        if member is None:
            raise HTTPException(404)
        return range_response(member, MEDIA_TYPES[name], request.headers)

    def clip_file(request: Request) -> Response:
        row, name = request.path_params["row"], request.path_params["name"]
        if name in MEDIA_TYPES:
            return media(request)
        file = site.clip_file(row, name)
        if file is None and name in PICTURES:
            return Response(status_code=204, headers=NO_CACHE)  # browsers report a 404 as an error
        if file is None:
            raise HTTPException(404)
        return Response(file[0], media_type=file[1], headers=NO_CACHE)

    routes = [
        Route("/", index),
        Route("/index.html", index),
        Route("/static/{path:path}", static),
        Route("/api/site.json", site_json),
        Route("/api/clips/{number:int}.json", chunk),
        Route("/api/scores.json", scores),
        Route("/clips/{row:int}/{name:path}", clip_file),
    ]
    if review is not None:
        routes += _review_routes(review)
    app = Starlette(
        routes=routes,
        exception_handlers={
            BadItem: _bad_item,
            UserError: _user_error,
            NotThere: _not_found,
            HTTPException: _http_error,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, access or Access())


def _review_routes(review: Review) -> list[Route]:
    def state(request: Request) -> Response:
        tag = f'"{review.version()}"'
        headers = {**NO_CACHE, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse(dict(review.state()), headers=headers)

    async def decide(request: Request) -> Response:
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > MAX_REQUEST_BYTES:
                raise HTTPException(413)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise HTTPException(400)
        status, answer = await run_in_threadpool(review.decide, body)
        return JSONResponse(dict(answer), status_code=status)

    def lines(_: Request) -> Response:
        headers = {**NO_CACHE, "Content-Disposition": 'attachment; filename="review.jsonl"'}
        return StreamingResponse(review.lines(), headers=headers, media_type="application/jsonl")

    return [
        Route("/api/review", state, methods=["GET"]),
        Route("/api/review", decide, methods=["POST"]),
        Route("/api/review.jsonl", lines),
    ]


def _page_file(page: Path, name: str) -> Response:
    """Return one of the page's own files."""
    try:
        path = path_inside(page, *name.split("/"))
        content = path.read_bytes()
    except (ValueError, OSError):
        raise HTTPException(404) from None
    kind = _MIME_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return Response(content, media_type=kind or "application/octet-stream", headers=NO_CACHE)


def _problem(status: int, code: str, message: str) -> Response:
    return JSONResponse(
        {"code": code, "message": printable(message)}, status_code=status, headers=NO_CACHE
    )


def _bad_item(_: Request, error: Any) -> Response:
    return _problem(422, error.reason, error.detail)


def _user_error(_: Request, error: Any) -> Response:
    return _problem(400, error.code, str(error))


def _not_found(_: Request, error: Any) -> Response:
    return _problem(404, "missing", str(error))


def _http_error(_: Request, error: Any) -> Response:
    code = "missing" if error.status_code == 404 else "invalid"
    return _problem(error.status_code, code, error.detail)
