"""What the record says, for those who look: the monitor, the pages, FHIR, an evaluator.

All of it blocks, for milliseconds or (a million rows) seconds: from asyncio use a thread.
"""

from __future__ import annotations

from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import BigInteger, Double, Select, and_, func, select

from feature_store.live.database import open_engine, reading
from service.record.account import AuditRow
from service.record.feedback import FeedbackRow
from service.record.schema import DETAILS, FEEDBACK, SCORES
from service.record.writing import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Column, ColumnElement, Connection

    from service.record.search import Search

NO_SUBJECT: Final = -1
"""In a column of subjects: it was not said. Pseudonyms begin at 0."""

_AT_ONCE: Final = 20_000
_ASKED_TOGETHER: Final = 400  # SQLite's oldest limit is 999 values a question

_numbers = count()

_FACTS = [column for column in SCORES.c if column.name not in {"details_hash", "row_hash"}]
_WHOLE = select(*_FACTS[1:], DETAILS.c.features, DETAILS.c.reasons).select_from(
    SCORES.outerjoin(DETAILS, SCORES.c.entry == DETAILS.c.entry)
)
_SAID = [column for column in FEEDBACK.c if column.name not in {"entry", "row_hash"}]


class Record:
    """Reads the record of a database; writes nothing but the schema, if there is none yet.

    Parameters
    ----------
    url : str
        ``sqlite:///PATH`` or ``postgresql://...``.
    wait_seconds : float, optional
        As for ``open_engine``.

    Raises
    ------
    BadInput
        Another kind of address. Every question may also raise ``StoreUnavailable``.
    """

    def __init__(self, url: str, *, wait_seconds: float | None = None) -> None:
        self.engine = open_engine(url, wait_seconds=wait_seconds)
        self._prepared = False

    def score(self, score_id: str) -> AuditRow | None:
        """One score; its features and reasons are None once their time of keeping is over."""
        found = self._rows(_WHOLE.where(SCORES.c.score_id == score_id))
        return AuditRow(*found[0]) if found else None

    def scores_of_spell(self, spell: int, *, mode: str = "live") -> list[AuditRow]:
        """Every score and refusal of a spell, by its pseudonym, in the order answered."""
        query = _WHOLE.where(SCORES.c.spell == spell, SCORES.c.mode == mode)
        ordered = query.order_by(SCORES.c.answered_at, SCORES.c.entry)
        return [AuditRow(*row) for row in self._rows(ordered)]

    def search(self, wanted: Search) -> tuple[int, list[AuditRow]]:
        """How many scores a search finds, and those of its page, in the order answered."""
        conditions = wanted.conditions
        (count,) = self._rows(select(func.count()).select_from(SCORES).where(*conditions))
        columns = (SCORES.c.answered_at, SCORES.c.entry)
        order = [column.desc() if wanted.newest_first else column.asc() for column in columns]
        query = _WHOLE.where(*conditions).order_by(*order)
        page = query.offset(wanted.skip).limit(wanted.most)
        return int(count[0]), [AuditRow(*row) for row in self._rows(page)]

    def latest(self, spells: Sequence[int], *, since: int, until: int) -> dict[int, AuditRow]:
        """Latest live score of each of these spells that was answered within a time.

        Parameters
        ----------
        spells : sequence of int
            Pseudonyms.
        since, until : int
            UTC microseconds; from the first up to, and without, the second.

        Returns
        -------
        dict of int to AuditRow
            Spells without a score then are not in it; refusals do not count.
        """
        last = (
            select(SCORES.c.spell, func.max(SCORES.c.answered_at).label("answered_at"))
            .where(*_scored_within(since, until))
            .group_by(SCORES.c.spell)
        )
        found: dict[int, AuditRow] = {}
        for some in _portions(spells):
            newest = last.where(SCORES.c.spell.in_(some)).subquery()
            both = and_(
                SCORES.c.spell == newest.c.spell, SCORES.c.answered_at == newest.c.answered_at
            )
            query = _WHOLE.join(newest, both).where(*_scored_within(since, until))
            rows = (AuditRow(*row) for row in self._rows(query.order_by(SCORES.c.entry)))
            found |= {row.spell: row for row in rows}
        return found

    def between(
        self,
        start: int,
        end: int,
        *,
        columns: Sequence[str] | None = None,
        mode: str | None = "live",
        site: str | None = None,
        details: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """Scores and refusals answered within a time, as columns, in the order answered.

        Parameters
        ----------
        start, end : int
            UTC microseconds; from the first up to, and without, the second.
        columns : sequence of str, optional
            Names of ``schema.SCORES``; all of them if not given. Fewer are faster.
        mode : str or None
            ``live``, ``shadow``, or None for both.
        site : str, optional
        details : bool
            Whether to add ``features`` (bytes of float64) and ``reasons`` (JSON), None where
            they are no longer kept.

        Returns
        -------
        dict of str to ndarray, each of shape (n,)
            Texts and bytes as objects, None where missing; numbers that may be missing as float64
            with NaN, but ``subject`` as int64 with ``NO_SUBJECT``; other integers as int64.
        """
        wanted = [column for column in _FACTS if columns is None or column.name in columns]
        table: Any = SCORES
        if details:
            table = SCORES.outerjoin(DETAILS, SCORES.c.entry == DETAILS.c.entry)
            wanted += [DETAILS.c.features, DETAILS.c.reasons]
        query = (
            select(*wanted)
            .select_from(table)
            .where(SCORES.c.answered_at >= start, SCORES.c.answered_at < end)
            .order_by(SCORES.c.answered_at)
        )
        if mode is not None:
            query = query.where(SCORES.c.mode == mode)
        if site is not None:
            query = query.where(SCORES.c.site == site)
        return self._columns(query, wanted)

    def feedback(self, score_ids: Sequence[str]) -> dict[str, list[FeedbackRow]]:
        """What was said of scores, in the order given; of whom nothing was said is not in it."""
        found: dict[str, list[FeedbackRow]] = {}
        for some in _portions(score_ids):
            query = select(*_SAID).where(FEEDBACK.c.score_id.in_(some))
            for row in self._rows(query.order_by(FEEDBACK.c.given_at, FEEDBACK.c.entry)):
                one = FeedbackRow(*row)
                found.setdefault(one.score_id, []).append(one)
        return found

    def feedback_of_spells(self, spells: Sequence[int], *, since: int) -> dict[int, FeedbackRow]:
        """Latest that was said of any score of each spell, since a moment (UTC microseconds)."""
        found: dict[int, FeedbackRow] = {}
        both = SCORES.join(FEEDBACK, FEEDBACK.c.score_id == SCORES.c.score_id)
        for some in _portions(spells):
            query = select(SCORES.c.spell, *_SAID).select_from(both)
            query = query.where(SCORES.c.spell.in_(some), FEEDBACK.c.given_at >= since)
            for spell, *row in self._rows(query.order_by(FEEDBACK.c.given_at, FEEDBACK.c.entry)):
                found[spell] = FeedbackRow(*row)
        return found

    def feedback_between(self, start: int, end: int) -> list[FeedbackRow]:
        """All that was said from a moment up to, and without, another (UTC microseconds)."""
        query = select(*_SAID).where(FEEDBACK.c.given_at >= start, FEEDBACK.c.given_at < end)
        return [FeedbackRow(*row) for row in self._rows(query.order_by(FEEDBACK.c.given_at))]

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    # ---- questions -------------------------------------------------------------------------------

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        self._prepare()
        with reading(self.engine) as connection:
            return connection.execute(query).all()

    def _columns(self, query: Select[Any], wanted: Sequence[Column[Any]]) -> dict[str, Any]:
        self._prepare()
        pieces: list[list[NDArray[Any]]] = [[_array(column, ())] for column in wanted]
        with reading(self.engine) as connection:
            for rows in streamed(connection, query):
                for piece, column, cells in zip(
                    pieces, wanted, zip(*rows, strict=True), strict=True
                ):
                    piece.append(_array(column, cells))
        return {
            column.name: np.concatenate(piece) for column, piece in zip(wanted, pieces, strict=True)
        }

    def _prepare(self) -> None:
        if not self._prepared:
            prepare(self.engine)
            self._prepared = True


def _scored_within(since: int, until: int) -> tuple[ColumnElement[bool], ...]:
    return (
        SCORES.c.answered_at >= since,
        SCORES.c.answered_at < until,
        SCORES.c.mode == "live",
        SCORES.c.score_id.is_not(None),
    )


def _portions(asked: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(asked), _ASKED_TOGETHER):
        yield asked[first : first + _ASKED_TOGETHER]


def streamed(connection: Connection, query: Select[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows by the thousand: a million of them at once would be a gigabyte of Python's.

    They come as the driver gives them, which for the types of this schema is as SQLAlchemy would,
    but for the objects that it would make of each.
    """
    if not connection.in_transaction():
        connection.begin()
    compiled = query.compile(connection)
    driver: Any = connection.connection.driver_connection
    if compiled.positional:  # SQLite
        given: Any = [compiled.params[name] for name in compiled.positiontup or ()]
        cursor = driver.cursor()
    else:
        given = compiled.params
        cursor = driver.cursor(name=f"record_{next(_numbers)}")  # on the server, row by row
    with closing(cursor):
        cursor.execute(str(compiled), given)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows


def _array(column: Column[Any], cells: Sequence[Any]) -> NDArray[Any]:
    if column.name == SCORES.c.subject.name:
        return np.array([NO_SUBJECT if cell is None else cell for cell in cells], np.int64)
    if isinstance(column.type, BigInteger) and not column.nullable:
        return np.array(cells, np.int64)
    if isinstance(column.type, (BigInteger, Double)):
        return np.array(cells, np.float64)  # None becomes NaN
    made = np.empty(len(cells), object)
    made[:] = cells
    return made
