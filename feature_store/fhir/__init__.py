"""FHIR R4 in: bundles of UK Core resources to events, the same for a file and for one request."""

from feature_store.fhir.bundle import events_of

__all__ = ["events_of"]
