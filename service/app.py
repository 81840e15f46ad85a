"""The composition root: settings to a service. Nothing else chooses concrete parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from feature_store.errors import BadInput
from service.cds.clients import Clients
from service.cds.origins import PATH as CDS_PATH
from service.cds.origins import Origins
from service.cds.routes import cds_routes
from service.cds.setup import CdsSetup, read_setup
from service.door import make_access
from service.envelope import Envelope, Tongue
from service.feedback import feedback
from service.fhir.answers import FHIR_JSON, in_fhir
from service.fhir.routes import FHIR_PATH, fhir_routes
from service.front import Front
from service.hub import WAIT_SECONDS, Desk, Live, hub_routes
from service.identifiers import Pseudonyms, pseudonym_secret
from service.logs import LOGGER, whereabouts
from service.metrics import Metrics
from service.openapi import describe
from service.pages.routes import Pages
from service.pages.session import Sessions
from service.parts import Parts
from service.problems import KINDS, Problem
from service.rates import Rates
from service.record import Audit, Record, open_audit
from service.routes import operations
from service.scores import Scores
from service.settings import Settings
from service.shadow import Shadow
from service.supply import Order, Shelf, Supply, make_supply
from service.traces import make_traces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from service.answering import ServedModel


AGAIN_SECONDS: Final = 5.0
"""After which work in the background that failed begins again."""

FIRST_LOOK_SECONDS: Final = 10.0
"""How long the registry may take over the first model before connections are taken without one."""

_log = logging.getLogger(LOGGER)


class Runs(Protocol):
    """Something that works in the background."""

    async def run(self) -> None:
        """Work until cancelled."""


def create_app(
    settings: Settings | None = None,
    *,
    model: ServedModel | None = None,
    audit: Audit | None = None,
) -> FastAPI:
    """Make the service.

    Parameters
    ----------
    settings : Settings, optional
        From the environment if not given: so a server of applications can call it by name.
    model : ServedModel, optional
        In place of the one that the settings name.
    audit : Audit, optional
        In place of the database that the settings name.

    Raises
    ------
    BadInput
        Settings, keys, database or model folder cannot be used; nothing was started.
    """
    settings = settings or Settings.from_environment(os.environ)
    if settings.clock == "data" and settings.is_guarded:
        msg = "HOMEWARD_CLOCK: data is for replays on this machine, not beside API keys or tokens"
        raise BadInput(msg)
    shelf, challenger, metrics = Shelf(), Shelf(), Metrics()
    secret = pseudonym_secret(settings)
    kept = audit or open_audit(settings.database)
    parts = Parts(
        settings=settings,
        access=make_access(settings),
        rates=Rates(settings.requests_per_minute),
        traces=make_traces(settings.otlp_endpoint),
        shelf=shelf,
        challenger=challenger,
        shadow=Shadow(challenger, shelf, kept, metrics),
        audit=kept,
        record=Record(settings.database, wait_seconds=WAIT_SECONDS),
        metrics=metrics,
        pseudonyms=Pseudonyms(secret),
    )

    setup = read_setup(settings.cds_file)
    clients = Clients(setup, settings.var)
    live = Live(settings.database, secret, by_data=settings.clock == "data")
    supplies = _supplies(parts, model)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running: tuple[Runs, ...] = (parts.audit, parts.access, parts.shadow, clients, *supplies)
        tasks = [asyncio.create_task(_kept_running(part)) for part in running]
        await _until_settled(supplies)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        parts.audit.close()
        parts.record.close()
        live.close()
        if parts.traces is not None:
            await asyncio.to_thread(parts.traces.close)

    return _assemble(parts, live, lifespan, setup, clients)


async def _until_settled(supplies: list[Supply]) -> None:
    """Take no connection before there is a model, as long as that may still be a matter of seconds.

    Workers share a socket: one that took connections without a model would refuse what another
    could have answered.
    """
    waiting = [asyncio.create_task(supply.settled.wait()) for supply in supplies]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=FIRST_LOOK_SECONDS)
        for task in late:
            task.cancel()


async def _kept_running(part: Runs) -> None:
    """Let a part work; should it fail, however that may be, it begins again."""
    while True:
        try:
            return await part.run()
        except Exception as error:  # noqa: BLE001 - nobody else would notice that it had ended
            _log.error("background work failed", extra={"fields": whereabouts(error)})
            await asyncio.sleep(AGAIN_SECONDS)


def _supplies(parts: Parts, model: ServedModel | None) -> list[Supply]:
    """Fill the shelves with what is here, and return what keeps them filled."""
    settings, metrics = parts.settings, parts.metrics
    cache, every = settings.var / "models", float(settings.model_check_seconds)
    supplies = []
    if model is None:
        order = Order(uri=settings.model_uri, cache=cache, every=every)
        supplies.append(make_supply(settings, order, parts.shelf, metrics.shelf_looked_at))
    else:
        parts.shelf.put(model)
        metrics.shelf_looked_at(parts.shelf)
    if settings.challenger_uri is not None:
        note = "last-good-challenger.json"
        order = Order(uri=settings.challenger_uri, cache=cache, note=note, every=every)
        supplies.append(make_supply(settings, order, parts.challenger, lambda _shelf: None))
    for supply in supplies:
        supply.start()
    return supplies


class Service(FastAPI):
    """FastAPI, but that requests for scores go straight into their envelope.

    Of the layers that they pass by the envelope is the only one that does anything for them.
    """

    straight: Envelope
    """Around the endpoint of ``POST /v1/scores``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = scope["type"] == "http" and scope["path"] == Scores.path
        if asked and scope["method"] == "POST":
            await self.straight(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _assemble(
    parts: Parts, live: Live, lifespan: Any, setup: CdsSetup, clients: Clients
) -> FastAPI:
    app = Service(
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere: ours is in operations()
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: _as_problem,
            RequestValidationError: _as_problem,
        },
    )
    app.state.parts, app.state.live = parts, live
    scores = Scores(parts)
    app.router.routes.insert(0, Route(Scores.path, scores, methods=["POST"]))
    app.include_router(feedback(parts))
    app.include_router(operations(parts))
    desk = Desk(parts, live)
    app.include_router(hub_routes(parts, desk))
    app.include_router(_pages(parts, desk))
    app.include_router(fhir_routes(parts, live))
    app.include_router(cds_routes(parts, desk, setup, clients))
    if setup.origins:
        app.add_middleware(Origins, origins=setup.origins)
    fhir = Tongue(FHIR_JSON, lambda problem, _request_id: in_fhir(problem))
    envelope = partial(
        Envelope,
        metrics=parts.metrics,
        traces=parts.traces,
        tls=parts.settings.behind_tls,
        tongues={FHIR_PATH: fhir, CDS_PATH: fhir},  # CDS Hooks asks for an OperationOutcome too
    )
    app.add_middleware(envelope)
    app.straight = envelope(scores)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _pages(parts: Parts, desk: Desk) -> APIRouter:
    """What people look at."""
    settings = parts.settings
    return Pages(
        desk=Front(parts, desk),
        access=parts.access,
        sessions=Sessions(parts.pseudonyms.key_for("sessions"), tls=settings.behind_tls),
        refresh_seconds=settings.worklist_seconds,
        mlflow=settings.mlflow_page or "",
    ).router()


async def _as_problem(_request: Request, error: Exception) -> Any:
    """Turn a refusal of the framework into a problem without its text, which may quote."""
    if isinstance(error, HTTPException):
        status = error.status_code if error.status_code in KINDS else 500
        raise Problem(status, headers=error.headers) from None
    raise Problem(422) from None
