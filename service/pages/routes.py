"""Addresses of the pages."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from feature_store.vocabulary import LONG_STAY_DAYS, TIME_ZONE
from service.access import Access, Caller, Scope, allow
from service.envelope import INFO
from service.pages import beds, panel, view
from service.pages.assets import KEPT_SECONDS, asset
from service.pages.desk import Desk, Said
from service.pages.render import POLICY, render
from service.pages.session import Sessions, cookie_of
from service.problems import Problem
from service.record.feedback import MEANINGS, Action, Override, Verdict

HTML: Final = "text/html; charset=utf-8"
WORTH_PACKING: Final = 1400  # bytes: about one packet
MOST_FORM_BYTES: Final = 4096
SOON_DAYS: Final = 3

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "reasons": {code: MEANINGS[code] for code in Override},
    "actions": {code: MEANINGS[code] for code in Action},
    "verdicts": {code: MEANINGS[code] for code in Verdict},
}
"""Codes of feedback and what they mean, for forms and rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the pages are made of.

    Parameters
    ----------
    desk : Desk
    access : Access
    sessions : Sessions
    refresh_seconds : int
        How often an open list asks again.
    mlflow : str
        Address of MLflow for people, or nothing.
    """

    desk: Desk
    access: Access
    sessions: Sessions
    refresh_seconds: int = 60
    mlflow: str = ""


Handler = Callable[[Request, Caller], Awaitable[Response]]


def pages(made_of: Pages) -> APIRouter:
    """Every page, on one router."""
    router = APIRouter(include_in_schema=False)
    desk = made_of.desk

    async def worklist(request: Request, caller: Caller) -> Response:
        site, ward = (request.query_params.get(name) or None for name in ("site", "ward"))
        answer = view.worklist(await desk.worklist(caller, site, ward))
        places = await desk.places(caller)
        return _page(
            request,
            "worklist.html",
            **_around(request, caller, made_of, "worklist"),
            list=answer,
            places=places,
            synthetic=places.synthetic,
            words=WORDS,
            refresh_seconds=made_of.refresh_seconds,
        )

    async def patient(request: Request, caller: Caller) -> Response:
        found = await desk.patient(caller, request.path_params["score_id"])
        if found is None:
            raise Problem(404)
        shown = panel.panel(found, MEANINGS)
        thanks = request.query_params.get("kept") == "1"
        around = _around(request, caller, made_of, "")
        return _page(request, "patient.html", **around, **shown, words=WORDS, thanks=thanks)

    async def feedback(request: Request, caller: Caller) -> Response:
        allow(caller, Scope.FEEDBACK)
        form = await _form(request)
        info = request.scope[INFO]
        if not made_of.sessions.came_from_here(info.headers, _text(form, "csrf")):
            raise Problem(403, "This form did not come from a page of this session.")
        said = _said(form, caller.name, info.request_id)
        if await desk.patient(caller, said.score_id) is None:
            raise Problem(404)
        await desk.feed_back(said)
        address = f"/worklist/score/{quote(said.score_id, safe='')}?kept=1"
        return RedirectResponse(address, 303)

    async def ward_beds(request: Request, caller: Caller) -> Response:
        answer = await desk.worklist(caller, None, None)
        shown = _beds(answer)
        places = await desk.places(caller)
        around = _around(request, caller, made_of, "beds")
        return _page(request, "beds.html", **around, **shown, synthetic=places.synthetic)

    async def model(request: Request, caller: Caller) -> Response:
        found = await desk.models()
        names = list(dict.fromkeys(name for _, facts in found.served for name in facts))
        facts = [(name, [of.get(name, "not told") for _, of in found.served]) for name in names]
        return _page(
            request,
            "model.html",
            **_around(request, caller, made_of, "model"),
            models=[{"title": title} for title, _ in found.served],
            facts=facts,
            lived=found.lived,
            mlflow=made_of.mlflow,
        )

    def add(path: str, handler: Handler, method: str = "GET") -> None:
        async def answer(request: Request) -> Response:
            return await _let_in(request, made_of, handler)

        router.add_api_route(path, answer, methods=[method])

    add("/worklist", worklist)
    add("/worklist/score/{score_id}", patient)
    add("/worklist/feedback", feedback, "POST")
    add("/worklist/beds", ward_beds)
    add("/worklist/model", model)
    _doors(router, made_of)
    return router


def _doors(router: APIRouter, made_of: Pages) -> None:
    """Signing in and out, and the files that pages load."""

    @router.get("/")
    async def front() -> Response:
        return RedirectResponse("/worklist", 307)

    @router.get("/sign-in")
    async def sign_in_form(request: Request) -> Response:
        return _page(request, "sign_in.html", wrong=False)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        key = _text(await _form(request), "key").strip()
        info, client = request.scope[INFO], request.client
        try:
            sent = {**info.headers, b"authorization": b"Bearer " + key.encode()}
            allow(made_of.access.caller(sent, client.host if client else None), Scope.SCORES)
        except Problem:
            return _page(request, "sign_in.html", status=403, wrong=True)
        headers = {"Set-Cookie": made_of.sessions.begin(key)}
        return RedirectResponse("/worklist", 303, headers=headers)

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        headers = {}
        sent = request.scope[INFO].headers
        if made_of.sessions.came_from_here(sent, _text(await _form(request), "csrf")):
            headers = {"Set-Cookie": made_of.sessions.end()}
        return RedirectResponse("/sign-in", 303, headers=headers)

    @router.get("/assets/{name}")
    async def file(request: Request, name: str) -> Response:
        found = asset(name)
        if found is None:
            raise Problem(404)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": f"public, max-age={KEPT_SECONDS}, immutable"}
        headers |= {"Content-Encoding": "gzip"} if packed else {}
        content = found.packed if packed else found.content
        return Response(content, media_type=found.media_type, headers=headers)


async def _let_in(request: Request, made_of: Pages, handler: Handler) -> Response:
    """Who asks, by cookie, key or because the service is open; people get pages for troubles."""
    info, client = request.scope[INFO], request.client
    try:
        sent = made_of.sessions.headers(info.headers)
        caller = made_of.access.caller(sent, client.host if client else None)
        info.caller = caller.name
        allow(caller, Scope.SCORES)
        return await handler(request, caller)
    except Problem as problem:
        if problem.kind.status == 401:  # noqa: PLR2004 - a browser is asked to sign in
            return RedirectResponse("/sign-in", 303)
        return _page(
            request,
            "trouble.html",
            status=problem.kind.status,
            headers=problem.headers,
            title=problem.kind.title,
            detail=problem.detail,
            request_id=info.request_id,
        )


def _around(request: Request, caller: Caller, made_of: Pages, here: str) -> dict[str, Any]:
    sent = request.scope[INFO].headers
    return {
        "caller": caller.name,
        "signed_in": cookie_of(sent) is not None,
        "csrf": made_of.sessions.csrf(sent),
        "here": here,
        "may_feed_back": Scope.FEEDBACK in caller.scopes,
    }


def _page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    content = render(template, **values)
    ours = {"Content-Security-Policy": POLICY, "Vary": "Accept-Encoding", **(headers or {})}
    packs = "gzip" in request.headers.get("accept-encoding", "")
    if packs and len(content) > WORTH_PACKING:
        content = gzip.compress(content, 4, mtime=0)
        ours["Content-Encoding"] = "gzip"
    return Response(content, status, media_type=HTML, headers=ours)


async def _form(request: Request) -> FormData:
    """Fields of a small form.

    Raises
    ------
    Problem
        413 or 422: larger or other than our own forms are.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise Problem(413)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, errors="strict")
    except ValueError:
        raise Problem(422) from None
    return FormData([(name, values[0]) for name, values in fields.items()])


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _said(form: FormData, caller: str, request_id: str) -> Said:
    """Read what a button of the form says: ``verdict:reason:action``."""
    verdict, reason, action = (*_text(form, "say").split(":"), "", "")[:3]
    fits = (
        verdict in set(Verdict)
        and (not reason or reason in set(Override))
        and (not action or action in set(Action))
        and (verdict == Verdict.OVERRIDDEN) == bool(reason)
    )
    if not fits:
        raise Problem(422)
    return Said(
        score_id=_text(form, "score_id"),
        verdict=verdict,
        reason=reason or None,
        action=action or None,
        caller=caller,
        request_id=request_id,
    )


def _beds(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Beds that long stays will hold: the whole, and ward by ward."""
    entries = answer["entries"]
    scores = [entry["score"] for entry in entries]
    ahead, untold = [], 0
    for horizon in LONG_STAY_DAYS:
        days, left_out = beds.long_stay_beds(scores, horizon)
        untold = max(untold, left_out)
        now = sum(score["days_so_far"] >= horizon for score in scores)
        ahead.append({"horizon": horizon, "now": now, "beds": days})
    by_ward: dict[tuple[str, str], list[Any]] = {}
    for entry in entries:
        by_ward.setdefault((entry["site"] or "", entry["ward"] or ""), []).append(entry)
    first = datetime.fromisoformat(answer["at"]).astimezone(ZoneInfo(TIME_ZONE))
    return {
        "list": view.worklist(answer),
        "ahead": ahead,
        "untold": untold,
        "days": [f"{first + timedelta(days=n):%a %d}" for n in range(1, beds.AHEAD_DAYS + 1)],
        "wards": [_ward(site, ward, of) for (site, ward), of in sorted(by_ward.items())],
    }


def _ward(site: str, ward: str, entries: list[Any]) -> dict[str, Any]:
    scores = [entry["score"] for entry in entries]
    shortest = LONG_STAY_DAYS[0]
    return {
        "site": site,
        "ward": ward,
        "query": urlencode({"site": site, "ward": ward}),
        "scored": len(entries),
        "high": sum(score["band"] == "high" for score in scores),
        "rising": sum(entry["change"] in {"new", "rising"} for entry in entries),
        "ready": sum(entry["section"] == "awaiting_discharge" for entry in entries),
        "now": sum(score["days_so_far"] >= shortest for score in scores),
        "soon": beds.long_stay_beds(scores, shortest)[0][SOON_DAYS - 1],
    }
