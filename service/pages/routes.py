"""Addresses of the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service.access import Access, Caller, Scope, allow
from service.envelope import INFO
from service.pages import evaluation, panel, rows, view
from service.pages.answers import page
from service.pages.desk import Desk
from service.pages.doors import add_doors
from service.pages.forms import read_form, said_of, text_of
from service.pages.session import Sessions, cookie_of
from service.pages.wards import beds_and_wards
from service.problems import Problem
from service.record.feedback import MEANINGS, Action, Override

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "reasons": {code: MEANINGS[code] for code in Override},
    "actions": {code: MEANINGS[code] for code in Action},
}
"""Codes of feedback and what they mean, for forms."""

_MEANINGS: Final[Mapping[str, str]] = {str(code): words for code, words in MEANINGS.items()}

Handler = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages and what they are made of.

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

    def router(self) -> APIRouter:
        """Every page, on one router."""
        router = APIRouter(include_in_schema=False)
        self._add(router, "/worklist", self._worklist)
        self._add(router, "/worklist/score/{score_id}", self._patient)
        self._add(router, "/worklist/feedback", self._feedback, "POST")
        self._add(router, "/worklist/beds", self._beds)
        self._add(router, "/worklist/model", self._model)
        add_doors(router, self.access, self.sessions)
        return router

    async def _worklist(self, request: Request, caller: Caller) -> Response:
        site, ward = (request.query_params.get(name) or None for name in ("site", "ward"))
        told = await self.desk.worklist(caller, site, ward)
        places = await self.desk.places(caller, told)
        around = self._around(request, caller, "worklist")
        made = partial(rows.row, may_feed_back=around["may_feed_back"])
        return page(
            request,
            "worklist.html",
            **around,
            list=view.worklist(told, made),
            places=places,
            synthetic=places.synthetic,
            refresh_seconds=self.refresh_seconds,
        )

    async def _patient(self, request: Request, caller: Caller) -> Response:
        found = await self.desk.patient(caller, request.path_params["score_id"])
        if found is None:
            raise Problem(404)
        shown = panel.panel(found, _MEANINGS)
        thanks = request.query_params.get("kept") == "1"
        around = self._around(request, caller, "")
        return page(request, "patient.html", **around, **shown, words=WORDS, thanks=thanks)

    async def _feedback(self, request: Request, caller: Caller) -> Response:
        allow(caller, Scope.FEEDBACK)
        form = await read_form(request)
        info = request.scope[INFO]
        if not self.sessions.came_from_here(info.headers, text_of(form, "csrf")):
            raise Problem(403, "This form did not come from a page of this session.")
        said = said_of(form, caller.name, info.request_id)
        if await self.desk.patient(caller, said.score_id) is None:
            raise Problem(404)
        await self.desk.feed_back(said)
        return RedirectResponse(f"/worklist/score/{quote(said.score_id, safe='')}?kept=1", 303)

    async def _beds(self, request: Request, caller: Caller) -> Response:
        told = await self.desk.worklist(caller, None, None)
        shown = beds_and_wards(told)
        places = await self.desk.places(caller, told)
        around = self._around(request, caller, "beds")
        return page(request, "beds.html", **around, **shown, synthetic=places.synthetic)

    async def _model(self, request: Request, caller: Caller) -> Response:
        found = await self.desk.models()
        names = dict.fromkeys(name for _, facts in found.served for name in facts)
        return page(
            request,
            "model.html",
            **self._around(request, caller, "model"),
            models=[_model(title, of) for title, of in found.served],
            facts=[(name, [of.get(name, "not told") for _, of in found.served]) for name in names],
            compared=evaluation.compared(found.compared),
            days=evaluation.DAYS,
            monitor=evaluation.monitored(found.monitor, found.at),
            mlflow=self.mlflow,
        )

    def _add(self, router: APIRouter, path: str, handler: Handler, method: str = "GET") -> None:
        async def answer(request: Request) -> Response:
            return await self._let_in(request, handler)

        router.add_api_route(path, answer, methods=[method])

    async def _let_in(self, request: Request, handler: Handler) -> Response:
        """Who asks, by cookie, key or because the service is open; troubles become pages."""
        info, client = request.scope[INFO], request.client
        try:
            sent = self.sessions.headers(info.headers)
            caller = self.access.caller(sent, client.host if client else None)
            info.caller = caller.name
            allow(caller, Scope.SCORES)
            return await handler(request, caller)
        except Problem as problem:
            if problem.kind.status == 401:  # noqa: PLR2004 - a browser is asked to sign in
                return RedirectResponse("/sign-in", 303)
            return page(
                request,
                "trouble.html",
                status=problem.kind.status,
                headers=problem.headers,
                title=problem.kind.title,
                detail=problem.detail,
                request_id=info.request_id,
            )

    def _around(self, request: Request, caller: Caller, here: str) -> dict[str, Any]:
        sent = request.scope[INFO].headers
        return {
            "caller": caller.name,
            "signed_in": cookie_of(sent) is not None,
            "csrf": self.sessions.csrf(sent),
            "here": here,
            "may_feed_back": Scope.FEEDBACK in caller.scopes,
        }


def _model(title: str, facts: Mapping[str, str]) -> dict[str, str]:
    """Title, name and version; no version of a model that is not registered."""
    version = facts["Version"]
    return {
        "title": title,
        "name": facts["Name"],
        "version": version if version.isdigit() else "",
    }
