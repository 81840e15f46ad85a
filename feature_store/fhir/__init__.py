"""FHIR R4 in: bundles of UK Core resources to events, the same for a file and for one request."""

from feature_store.fhir.bundle import Reading, events_of, read_bundle

__all__ = ["Reading", "events_of", "read_bundle"]
