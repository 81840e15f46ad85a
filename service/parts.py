"""What the routes are made of, put together once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.access import Access
    from service.identifiers import Pseudonyms
    from service.metrics import Metrics
    from service.rates import Rates
    from service.record import Audit, Record
    from service.settings import Settings
    from service.shadow import Shadow
    from service.supply import Shelf
    from service.traces import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one service."""

    settings: Settings
    access: Access
    shelf: Shelf
    challenger: Shelf
    shadow: Shadow
    audit: Audit
    record: Record
    metrics: Metrics
    rates: Rates
    traces: Traces | None
    pseudonyms: Pseudonyms
