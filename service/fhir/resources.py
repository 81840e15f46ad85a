"""Bundles of results, and what this server says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.fhir import words
from service.fhir.answers import FHIR_JSON
from service.fhir.definitions import KINDS
from service.fhir.search import Asked


def searchset(resources: Sequence[dict[str, Any]], asked: Asked, *, total: int) -> dict[str, Any]:
    """One page of what a search found."""
    links = [{"relation": "self", "url": asked.page(asked.skip)}]
    if asked.skip + len(resources) < total and resources:
        links.append({"relation": "next", "url": asked.page(asked.skip + len(resources))})
    made: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": links,
    }
    if resources:  # FHIR has no empty lists
        made["entry"] = [
            {"fullUrl": full_url(one), "resource": one, "search": {"mode": "match"}}
            for one in resources
        ]
    return made


def full_url(resource: dict[str, Any]) -> str:
    """Name of a resource in a bundle."""
    return f"urn:uuid:{resource['id']}"


def capability(software_version: str) -> dict[str, Any]:
    """What this server can do."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-26",
        "kind": "instance",
        "software": {"name": "Homeward", "version": software_version},
        "implementation": {"description": "Length-of-stay risk as RiskAssessment"},
        "fhirVersion": "4.0.1",
        "format": ["json", FHIR_JSON],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    _risk_assessment(),
                    *({"type": kind, "interaction": [{"code": "read"}]} for kind in KINDS),
                ],
                "operation": [{"name": "score", "definition": words.OPERATION}],
            }
        ],
    }


def _risk_assessment() -> dict[str, Any]:
    parameters = (("encounter", "reference"), ("patient", "reference"), ("date", "date"))
    return {
        "type": "RiskAssessment",
        "supportedProfile": [words.PROFILE],
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": name, "type": kind} for name, kind in parameters],
    }
