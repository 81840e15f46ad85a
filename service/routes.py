"""The other endpoints: which model this is, can it answer, its numbers, its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from feature_store.vocabulary import INTENDED_PURPOSE
from service import metrics, wire
from service.docs_page import PAGE_POLICY, docs_page
from service.envelope import INFO
from service.problems import CONTENT_TYPE, KINDS
from service.scores import RETRY_MODEL_SECONDS, authorise, model_of
from service.supply import LOCAL_COPY

if TYPE_CHECKING:
    from service.parts import Parts
    from service.supply import Shelf

JSON: Final = "application/json"


def operations(parts: Parts) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter()

    @router.get("/v1/model", summary="The model being served")
    async def model(request: Request) -> Response:
        """Name, version, alias, card, what it was trained on, its intended purpose."""
        authorise(parts, request.scope, None)
        served = model_of(parts)
        answer = wire.ModelAnswer(
            name=served.name.name,
            version=served.name.version,
            alias=served.name.alias,
            intended_purpose=INTENDED_PURPOSE,
            trained_on=dict(served.provenance),
            card=dict(served.card),
            feature_set_hash=served.feature_set_hash,
            features=served.features,
        )
        return Response(wire.encode(answer), media_type=JSON)

    @router.get("/health/live", summary="Is the process alive")
    async def live() -> Response:
        """Answer whenever the process can answer at all."""
        return Response(wire.encode(wire.Liveness()), media_type=JSON)

    @router.get("/health/ready", summary="Can it answer now")
    async def ready(request: Request) -> Response:
        """Red until a model is loaded, checked and has scored once.

        Degraded means that it can answer and that an operator should look.
        """
        return readiness(parts, request.scope[INFO].request_id)

    @router.get("/metrics", summary="Numbers for Prometheus")
    async def numbers() -> Response:
        """Counts and histograms; no value or identifier of a patient is in them."""
        return Response(parts.metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        page = docs_page(request.app.openapi())
        return Response(
            page, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY}
        )

    @router.get("/openapi.json", include_in_schema=False)
    async def document(request: Request) -> Response:
        return Response(wire.encode(request.app.openapi()), media_type=JSON)

    return router


def readiness(parts: Parts, request_id: str) -> Response:
    """Say whether the service can answer, and how well."""
    checks = [_model_check(parts.shelf), *_challenger_check(parts), _keys_check(parts)]
    if parts.settings.clock == "data":
        checks.append(wire.Check("clock", "degraded", "a replay: now is when its data end"))
    model = parts.shelf.model
    if model is None:
        kind = KINDS[503]
        document = wire.NotReady(
            type=kind.type,
            title=kind.title,
            status=kind.status,
            detail="No model is loaded yet.",
            request_id=request_id,
            checks=checks,
        )
        return Response(
            wire.encode(document),
            status_code=kind.status,
            media_type=CONTENT_TYPE,
            headers={"Retry-After": str(RETRY_MODEL_SECONDS)},
        )
    fine = all(check.state == "ok" for check in checks)
    answer = wire.Readiness("ready" if fine else "degraded", checks, model.name)
    return Response(wire.encode(answer), media_type=JSON)


def _model_check(shelf: Shelf) -> wire.Check:
    model, trouble = shelf.model, shelf.trouble or shelf.refused
    if model is None:
        return wire.Check("model", "failing", trouble or "waiting for the registry")
    if trouble:
        return wire.Check("model", "degraded", f"from the {model.origin}: {trouble}")
    asked = "; the registry is being asked" if model.origin == LOCAL_COPY else ""
    return wire.Check("model", "ok", f"from the {model.origin}{asked}")


def _challenger_check(parts: Parts) -> list[wire.Check]:
    """Tell of the challenger, if there is to be one; none is no trouble."""
    if parts.settings.challenger_uri is None:
        return []
    model = parts.challenger.model
    told = f"version {model.name.version} in the shadow" if model else "none"
    why = parts.challenger.trouble or parts.challenger.refused
    return [wire.Check("challenger", "ok", f"{told}: {why}" if why else told)]


def _keys_check(parts: Parts) -> wire.Check:
    trouble = parts.access.trouble
    return wire.Check("access", "degraded" if trouble else "ok", trouble or parts.access.told)
