"""What the pages ask of the rest of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from service.pages.evaluation import Compared

if TYPE_CHECKING:
    from service.access import Caller

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One inpatient and what is on the record of the stay.

    Parameters
    ----------
    entry : mapping
        As in ``entries`` of ``GET /v1/worklist``, with every reason.
    history : sequence of mapping
        Earlier scores, oldest first: ``prediction_time``, ``days_so_far``, ``probability``,
        ``reasons``, ``model_version``.
    events : sequence of mapping
        Facts of the spell as known: ``family``, ``what``, ``value``, ``time``, ``recorded_at``.
    feedback : sequence of mapping
        What was said: ``given_at``, ``verdict``, ``reason``, ``action``.
    """

    entry: Json
    history: Sequence[Json] = ()
    events: Sequence[Json] = ()
    feedback: Sequence[Json] = ()
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Feedback given on a page."""

    score_id: str
    verdict: str
    reason: str | None = None
    action: str | None = None
    caller: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Sites and wards that a caller may choose from."""

    sites: Sequence[str] = ()
    wards: Sequence[str] = ()
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The model that is served, the one behind it, and how they do.

    Parameters
    ----------
    served : sequence of (str, mapping)
        Title (champion, challenger) and facts by name, in one order for all.
    compared : Compared or None
        Both on the same patients; None while nothing of a challenger is on the record.
    monitor : mapping or None
        What ``homeward monitor`` last found.
    at : datetime
        Now.
    """

    served: Sequence[tuple[str, Mapping[str, str]]]
    compared: Compared | None = None
    monitor: Json | None = None
    at: datetime


class Desk(Protocol):
    """Asked by the pages; waits for nothing but the database."""

    async def worklist(self, caller: Caller, site: str | None, ward: str | None) -> Json:
        """Answer of ``GET /v1/worklist``, as plain data."""

    async def places(self, caller: Caller, told: Json) -> Places:
        """Where this caller's patients are; ``told`` is a list that was just made for them."""

    async def patient(self, caller: Caller, score_id: str) -> Patient | None:
        """Who a score is about; None if there is no such score, or not for this caller."""

    async def feed_back(self, said: Said) -> None:
        """Put feedback on the record."""

    async def models(self) -> Models:
        """Champion and challenger."""
