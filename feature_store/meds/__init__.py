"""MEDS in and out: any dataset of the Medical Event Data Standard, by a small codebook.

References
----------
Medical Event Data Standard, schema 0.4.
"""

from feature_store.meds.export import export_meds
from feature_store.meds.run import ingest_meds

__all__ = ["export_meds", "ingest_meds"]
