"""Signing in and out, and the files that pages load."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service.access import Access, Scope, allow
from service.envelope import INFO
from service.pages.answers import page
from service.pages.assets import KEPT_SECONDS, asset
from service.pages.forms import read_form, text_of
from service.pages.session import Sessions
from service.problems import Problem


def add_doors(router: APIRouter, access: Access, sessions: Sessions) -> None:
    """Add what a browser needs before it sees a list."""

    @router.get("/")
    async def front() -> Response:
        return RedirectResponse("/worklist", 307)

    @router.get("/sign-in")
    async def form(request: Request) -> Response:
        return page(request, "sign_in.html", wrong=False)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        key = text_of(await read_form(request), "key").strip()
        if not _opens(request, access, key):
            return page(request, "sign_in.html", status=403, wrong=True)
        return RedirectResponse("/worklist", 303, headers={"Set-Cookie": sessions.begin(key)})

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        sent = request.scope[INFO].headers
        ours = sessions.came_from_here(sent, text_of(await read_form(request), "csrf"))
        headers = {"Set-Cookie": sessions.end()} if ours else None
        return RedirectResponse("/sign-in", 303, headers=headers)

    @router.get("/assets/{name}")
    async def file(request: Request, name: str) -> Response:
        return _file(name, packed="gzip" in request.headers.get("accept-encoding", ""))


def _opens(request: Request, access: Access, key: str) -> bool:
    info, client = request.scope[INFO], request.client
    try:
        sent = {**info.headers, b"authorization": b"Bearer " + key.encode()}
        allow(access.caller(sent, client.host if client else None), Scope.SCORES)
    except Problem:
        return False
    return True


def _file(name: str, *, packed: bool) -> Response:
    found = asset(name)
    if found is None:
        raise Problem(404)
    headers = {"Cache-Control": f"public, max-age={KEPT_SECONDS}, immutable"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    content = found.packed if packed else found.content
    return Response(content, media_type=found.media_type, headers=headers)
