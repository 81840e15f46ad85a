"""The manifest of an event dataset: where it came from, what it holds, how far to trust it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from feature_store.clock import to_microseconds
from feature_store.errors import BadInput

SCHEMA_VERSION: Final = "1"


class Clock(StrEnum):
    """How finely the source tells time, and so what may be asked of it."""

    EXACT = "exact"  # timestamps: snapshots at admission and each morning
    DAYS = "days"  # dates or lengths in days: at admission only, by calendar
    ORDER = "order"  # no dates at all: at admission only, split by order; no calendar features
    SHIFTED = "shifted"  # as exact within a patient; between patients no more than an order

    @property
    def mornings(self) -> bool:
        """Whether the hours of a stay are known, so that later days may be asked about."""
        return self in {Clock.EXACT, Clock.SHIFTED}

    @property
    def calendar(self) -> bool:
        """Whether dates of different patients can be compared."""
        return self in {Clock.EXACT, Clock.DAYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder of events is.

    Parameters
    ----------
    source : str
        Name of the extract, without folders.
    synthetic : bool
        True for anything simulated; every product of the data carries it on.
    clock : Clock
    start, observed_until : str
        ISO 8601 moments with zone: of the first spell, and the last at which the data could have
        held a fact. A spell open at ``observed_until`` is censored.
    counts : dict of str to int
        ``events``, ``spells``, ``subjects``, ``deaths``, ``open_spells``, ``rejected_rows``.
    mapping_hash : str
        SHA-256 of the mapping file or of the simulator's settings.
    content_hash : str
        SHA-256 over the event files, in order.
    schema_version : str
    settings : dict
        How it was made (seed, sites, mapping name), free of patient values.
    """

    source: str
    synthetic: bool
    clock: Clock
    start: str
    observed_until: str
    counts: dict[str, int] = field(default_factory=dict)
    mapping_hash: str = ""
    content_hash: str = ""
    schema_version: str = SCHEMA_VERSION
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def until(self) -> int:
        """``observed_until`` in UTC microseconds."""
        return to_microseconds(datetime.fromisoformat(self.observed_until))

    def write(self, path: Path) -> None:
        """Write as JSON with sorted keys, so that equal manifests are equal files."""
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest.

        Raises
        ------
        BadInput
            Not a manifest, unknown keys, a moment without a zone, or another schema version.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            raw["clock"] = Clock(raw["clock"])
            manifest = cls(**raw)
            _ = manifest.until  # a moment with a zone, or a ValueError
        except (OSError, ValueError, TypeError, KeyError) as error:
            kind = type(error).__name__
            msg = f"{path.name}: a Homeward manifest expected ({kind}); run homeward ingest"
            raise BadInput(msg) from error
        if manifest.schema_version != SCHEMA_VERSION:
            msg = (
                f"{path.name}: schema version {SCHEMA_VERSION} expected, got another; "
                "ingest the source again"
            )
            raise BadInput(msg)
        return manifest
