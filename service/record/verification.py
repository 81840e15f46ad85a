"""Proof that the record is as it was written, or the first row that does not fit.

Every row is hashed again, with the hash before it. A row that was changed does not fit its own
hash; one that was taken out, put in or moved leaves a place empty or taken twice. The end of a
chain that was cut off is missed by the chain that was opened next, which names it, or by heads that
were kept elsewhere. What was deleted by schedule is accounted for by a row of its own.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Engine, Table, func, select

from feature_store.live.database import reading
from service.record.chain import (
    BEGINNING,
    Head,
    digest,
    digest_of_gaps,
    first_entry,
    heads_from_text,
    link,
)
from service.record.reading import streamed
from service.record.schema import (
    CHAINS,
    DETAILS,
    FEEDBACK,
    GAPS,
    NAME_OF,
    PLACE_BITS,
    RETENTIONS,
    SCORES,
)
from service.record.writing import End, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

MOST_FAULTS: Final = 20
FEATURES: Final = "features"
"""Kind of a retention that dropped the details of scores and left their rows."""

_PLACE = (1 << PLACE_BITS) - 1
_ANSWERED_AT = list(SCORES.c.keys()).index("answered_at")


@dataclass(slots=True)
class Proof:
    """What was found.

    Parameters
    ----------
    rows : int
        That fit; scores, feedback and retentions.
    chains : int
    deleted : int
        Rows deleted by schedule, and accounted for.
    without_details : int
        Scores whose features and reasons were dropped by schedule.
    heads : list of Head
        Last row of every chain, to be kept elsewhere.
    faults : list of str
        The first row that does not fit, then others; empty for a sound record.
    """

    rows: int = 0
    chains: int = 0
    deleted: int = 0
    without_details: int = 0
    heads: list[Head] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, entry: int, what: str) -> None:
        """Note that a row does not fit."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(f"{place_of(entry)}: {what}")


def place_of(entry: int) -> str:
    """Where a row is, in words.

    >>> place_of(first_entry(3) + 7)
    'chain 3, row 7'
    """
    return f"chain {entry >> PLACE_BITS}, row {entry & _PLACE}"


def verify(engine: Engine, *, kept: Sequence[Head] = ()) -> Proof:
    """Prove every chain.

    Parameters
    ----------
    engine : Engine
    kept : sequence of Head
        As an earlier proof told them, from where they were kept.

    Raises
    ------
    StoreUnavailable
    """
    prepare(engine)
    with reading(engine) as connection:
        return _Walk(connection, kept).done()


class _Walk:
    """One way through all rows, in the order of their entries."""

    def __init__(self, connection: Connection, kept: Sequence[Head]) -> None:
        self._connection = connection
        self._proof = Proof()
        self._ends: dict[int, End] = {}
        self._wanted: dict[int, set[str]] = {}
        for head in kept:
            self._wanted.setdefault(head.entry, set()).add(head.hash)
        self._gaps = connection.execute(select(GAPS).order_by(GAPS.c.first_entry)).all()
        retentions = connection.execute(select(RETENTIONS)).all()
        self._dropped_before = max(
            (row.cut for row in retentions if row.kind == FEATURES), default=0
        )
        self._gaps_of = {row.entry: row.gaps_hash for row in retentions}

    def done(self) -> Proof:
        proof = self._proof
        self._chains()
        for entry, table, row in self._rows():
            if table is GAPS:
                self._gap(row)
            else:
                self._row(entry, table, row)
        self._orphans()
        self._accounts()
        proof.heads = [Head(end.entry, end.hash.hex()) for end in self._ends.values()]
        for entry in sorted(self._wanted):  # nobody came by there
            proof.fault(entry, "missing: it was the last row of its chain once")
        return proof

    # ---- beginnings ------------------------------------------------------------------------------

    def _chains(self) -> None:
        rows = self._connection.execute(select(CHAINS).order_by(CHAINS.c.chain)).all()
        for row in rows:  # all names first: a chain may be named by one opened later
            self._name(row.chain, row.heads)
        for chain, opened_at, heads, row_hash in rows:
            while self._proof.chains + 1 < chain:  # numbers are given without gaps
                self._proof.chains += 1
                self._proof.fault(first_entry(self._proof.chains), "missing")
            self._proof.chains = chain
            if link(BEGINNING, NAME_OF[CHAINS], (chain, opened_at, heads)) != row_hash:
                self._proof.fault(first_entry(chain), "does not fit its hash")
            self._ends[chain] = End(first_entry(chain), row_hash)
            self._meet(first_entry(chain), row_hash)

    def _name(self, chain: int, heads: str) -> None:
        try:
            for head in heads_from_text(heads):
                self._wanted.setdefault(head.entry, set()).add(head.hash)
        except (msgspec.DecodeError, msgspec.ValidationError):
            self._proof.fault(first_entry(chain), "names heads that cannot be read")

    def _meet(self, entry: int, row_hash: bytes) -> None:
        wanted = self._wanted.pop(entry, None)
        if wanted is not None and wanted != {row_hash.hex()}:
            self._proof.fault(entry, "not the row that was the last of its chain once")

    # ---- rows ------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[tuple[int, Table, Any]]:
        whole = select(SCORES, DETAILS.c.features, DETAILS.c.reasons).select_from(
            SCORES.outerjoin(DETAILS, SCORES.c.entry == DETAILS.c.entry)
        )
        streams = [
            self._stream(SCORES, whole.order_by(SCORES.c.entry)),
            self._stream(FEEDBACK, select(FEEDBACK).order_by(FEEDBACK.c.entry)),
            self._stream(RETENTIONS, select(RETENTIONS).order_by(RETENTIONS.c.entry)),
            ((row.first_entry, GAPS, row) for row in self._gaps),
        ]
        return heapq.merge(*streams, key=lambda one: one[0])

    def _stream(self, table: Table, query: Any) -> Iterator[tuple[int, Table, Any]]:
        portions = streamed(self._connection, query)
        return ((row[0], table, row) for rows in portions for row in rows)

    def _expected(self, entry: int) -> End | None:
        """End of the chain that this row should follow, having said so if it does not."""
        end = self._ends.get(entry >> PLACE_BITS)
        if end is None:
            self._proof.fault(entry, "of a chain that nobody opened")
            return None
        if entry <= end.entry:
            self._proof.fault(entry, "there twice")
        elif entry > end.entry + 1:
            self._proof.fault(end.entry + 1, "missing")
        return end

    def _row(self, entry: int, table: Table, row: Any) -> None:
        end = self._expected(entry)
        if end is None:
            return
        cells = tuple(row)
        if table is SCORES:
            *rest, features, reasons = cells
            cells = tuple(rest)
            self._details(entry, cells, features, reasons)
        if link(end.hash, NAME_OF[table], cells[:-1]) == cells[-1]:
            self._proof.rows += 1
        elif entry == end.entry + 1:  # else it was said already that a row before it is missing
            self._proof.fault(entry, "does not fit its hash and the row before it")
        self._meet(entry, cells[-1])
        self._ends[entry >> PLACE_BITS] = End(entry, cells[-1])

    def _details(
        self, entry: int, cells: tuple[Any, ...], features: bytes | None, reasons: bytes | None
    ) -> None:
        told = cells[-2]
        if features is None or reasons is None:
            if told is None:
                return
            self._proof.without_details += 1
            if cells[_ANSWERED_AT] >= self._dropped_before:
                self._proof.fault(entry, "its features and reasons are missing")
        elif told is None or digest(features, reasons) != told:
            self._proof.fault(entry, "its features and reasons do not fit their hash")

    # ---- what was deleted ------------------------------------------------------------------------

    def _gap(self, row: Any) -> None:
        end = self._expected(row.first_entry)
        if end is None:
            return
        self._proof.deleted += row.last_entry - row.first_entry + 1
        for entry in [one for one in self._wanted if row.first_entry <= one < row.last_entry]:
            del self._wanted[entry]
        self._meet(row.last_entry, row.last_hash)
        self._ends[row.first_entry >> PLACE_BITS] = End(row.last_entry, row.last_hash)

    def _accounts(self) -> None:
        """Every gap is of a retention, whose row knows them by their hash."""
        found: dict[int, list[Any]] = {}
        for row in self._gaps:
            found.setdefault(row.retention, []).append(tuple(row))
        for retention in sorted(found.keys() | self._gaps_of.keys()):
            told = self._gaps_of.get(retention)
            gaps = found.get(retention, [])
            if told != digest_of_gaps(gaps):
                entry = gaps[0][0] if gaps else retention
                self._proof.fault(entry, "rows were deleted that no retention accounts for")

    def _orphans(self) -> None:
        known = select(SCORES.c.entry).where(SCORES.c.entry == DETAILS.c.entry).exists()
        entry = self._connection.scalar(select(func.min(DETAILS.c.entry)).where(~known))
        if entry is not None:
            self._proof.fault(entry, "features and reasons of a score that is not there")


def heads_in(document: Mapping[str, Any] | Sequence[Any]) -> list[Head]:
    """Heads from what an earlier proof printed: its JSON document, or the list of heads alone.

    >>> heads_in({"heads": [[7, "ab"]]})
    [Head(entry=7, hash='ab')]

    Raises
    ------
    msgspec.ValidationError
    """
    listed = document.get("heads") if isinstance(document, dict) else document
    return msgspec.convert(listed, list[Head])
