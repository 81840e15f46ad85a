"""A client of the scoring service, for hubs and other programs: httpx and msgspec, nothing else.

>>> from datetime import UTC, datetime
>>> from homeward.client import Client, Event, Spell
>>> admitted = datetime(2026, 1, 12, 21, 40, tzinfo=UTC)
>>> spell = Spell("S456", "P123", [Event("SPELL_START", admitted), Event("AGE", admitted, 84)])
>>> client = Client("https://homeward.trust.example", credential="hw_…")
>>> answer = client.score([spell], at=datetime(2026, 1, 14, 6, tzinfo=UTC))  # doctest: +SKIP

It waits and asks again when it is told to (429, 503 with ``Retry-After``) or when nobody answers,
under the same request id each time: scores are computed, feedback said twice is one feedback. It
writes no log, and no error holds what was sent.
"""

from homeward.client.asking import Client
from homeward.client.words import (
    DischargeDay,
    Event,
    Fault,
    Kept,
    Model,
    Problem,
    Reason,
    Refused,
    Score,
    Scores,
    Spell,
    Unreachable,
)

__all__ = [
    "Client",
    "DischargeDay",
    "Event",
    "Fault",
    "Kept",
    "Model",
    "Problem",
    "Reason",
    "Refused",
    "Score",
    "Scores",
    "Spell",
    "Unreachable",
]
