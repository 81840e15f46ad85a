"""Resources checked by the FHIR library, which is loaded with the first one asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PERCENT_MOST = 100.0


def encode(resource: dict[str, Any]) -> bytes:
    """A resource as JSON, valid by the library's model of it.

    Raises
    ------
    ValueError
        It is not a valid resource: a fault of ours.
    """
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - half a second to import

    model = get_fhir_model_class(resource["resourceType"])
    made = model.model_validate(resource)
    _check_percent(resource)
    text: str = made.model_dump_json()
    return text.encode()


def _check_percent(resource: dict[str, Any]) -> None:
    for one in resource.get("prediction", ()):
        if not 0.0 <= one["probabilityDecimal"] <= PERCENT_MOST:
            msg = "a percentage from 0 to 100 expected"
            raise ValueError(msg)


def searchset(resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Answer of a search."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"urn:uuid:{one['id']}",
                "resource": one,
                "search": {"mode": "match"},
            }
            for one in resources
        ],
    }


def outcome(code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome; the text is ours and quotes nothing."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": text}],
    }


def capability(software_version: str) -> dict[str, Any]:
    """What this server can do."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-24",
        "kind": "instance",
        "software": {"name": "Homeward", "version": software_version},
        "implementation": {"description": "Length-of-stay risk as RiskAssessment"},
        "fhirVersion": "4.3.0",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": "RiskAssessment",
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": [
                            {"name": "encounter", "type": "token"},
                            {"name": "date", "type": "date"},
                        ],
                    }
                ],
            }
        ],
    }
