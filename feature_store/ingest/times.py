"""Texts to moments: formats, offsets, time zones, plausible years."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.clock import DAY, HOUR, SECOND
from feature_store.errors import BadInput
from feature_store.events import NO_TIME
from feature_store.ingest.faults import Fault
from feature_store.ingest.mapping import ISO_DATE, ISO_TIME
from feature_store.ingest.rows import is_null, texts_at
from feature_store.ingest.zones import to_utc
from feature_store.vocabulary import TIME_ZONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.events import Int64
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.mapping import Time, TimeRules
    from feature_store.ingest.rows import Mask, Rows

_NOON: Final = 12 * HOUR
_ISO_TIMES: Final = tuple(
    f"%Y-%m-%d{between}{time}"
    for between in (" ", "T")
    for time in ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M")
)
_ISO_DATES: Final = ("%Y-%m-%d",)
_FORMATS: Final = {ISO_TIME: _ISO_TIMES, ISO_DATE: _ISO_DATES}
_EXPECTED: Final = {ISO_TIME: "an ISO 8601 date and time", ISO_DATE: "an ISO 8601 date"}
_OFFSET: Final = r"^(?P<wall>.*:\d\d(?:\.\d+)?) ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)$"
_FINER_THAN_MICROSECONDS: Final = r"(\.\d{6})\d+$"
_EPOCH_YEAR: Final = 1970


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of some rows.

    Parameters
    ----------
    time : ndarray of int64, shape (n,)
        UTC microseconds; ``NO_TIME`` where missing or bad. A date is noon of that day in London.
    second : ndarray of int64, shape (n,)
        The later of the two moments that an ambiguous local time can mean, else ``time``.
    known : ndarray of int64, shape (n,)
        When it can have been known: at ``time``; of a date, at the end of its day.
    bad : ndarray of bool, shape (n,)
    """

    time: Int64
    second: Int64
    known: Int64
    bad: Mask

    @property
    def missing(self) -> Mask:
        """Rows without a time, and without a fault."""
        return np.equal(self.time, NO_TIME) & ~self.bad


class TimeReader:
    """Reads the times of an extract by its rules.

    DuckDB parses: unlike C's strptime it refuses the 31st of February instead of calling it the
    3rd of March.
    """

    def __init__(self, rules: TimeRules) -> None:
        self._rules = rules
        self._duckdb = duckdb.connect(
            ":memory:", config={"threads": 1, "enable_external_access": "false"}
        )

    def read(self, rows: Rows, time: Time, faults: Faults) -> Moments:
        """Read one time a row; cells that are none, or none that can be, become faults.

        Parameters
        ----------
        rows : Rows
        time : Time
            With its format written out.
        faults : Faults
        """
        name = " + ".join(time.columns)
        expected = _EXPECTED.get(time.format, f"a time as {time.format}")
        text, partly = _joined(rows, time)
        if partly.any():
            faults.add(
                Fault(rows.file, name, expected, "a part of it missing"), rows.numbers[partly]
            )
        wall, offset = self._wall(text, _formats(rows, time))
        unread = (wall == NO_TIME) & ~is_null(text)
        faults.add_found((rows.file, name, expected), rows.numbers[unread], texts_at(text, unread))
        implausible = self._implausible(wall)
        first, last = self._rules.years
        outside = Fault(rows.file, name, f"a year from {first} to {last}", "another year")
        faults.add(outside, rows.numbers[implausible])
        wall = np.where(implausible, NO_TIME, wall)
        bad = unread | implausible | partly
        if time.of_days:
            return _of_days(wall, bad)
        return self._of_clock((rows, name), wall, offset, bad, faults=faults)

    def _wall(self, text: pa.Array, formats: Sequence[str]) -> tuple[Int64, Int64]:
        """Wall clock in microseconds since 1970, and offset from UTC (``NO_TIME``: not said)."""
        offset = np.full(len(text), NO_TIME, np.int64)
        if any("%H" in form for form in formats):
            text, offset = _split_offset(text)
            text = pc.replace_substring_regex(text, _FINER_THAN_MICROSECONDS, r"\1")
        self._duckdb.register("cells", pa.table({"text": text}))
        try:
            parsed = self._duckdb.sql(
                "SELECT epoch_us(try_strptime(text, $formats)) AS wall FROM cells",
                params={"formats": list(formats)},
            ).to_arrow_table()
        except duckdb.Error as error:
            msg = f"mapping: a format of strptime directives expected, got {', '.join(formats)}"
            raise BadInput(msg) from error
        wall = pc.fill_null(parsed["wall"].combine_chunks(), NO_TIME)
        return np.array(wall.to_numpy(zero_copy_only=False), np.int64), offset

    def _implausible(self, wall: Int64) -> Mask:
        years = wall.view("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + _EPOCH_YEAR
        first, last = self._rules.years
        return np.not_equal(wall, NO_TIME) & ((years < first) | (years > last))

    def _of_clock(
        self, where: tuple[Rows, str], wall: Int64, offset: Int64, bad: Mask, *, faults: Faults
    ) -> Moments:
        rows, name = where
        said = offset != NO_TIME
        first, second, nonexistent = to_utc(np.where(said, NO_TIME, wall), self._rules.zone)
        ambiguous = first != second
        if self._rules.ambiguous == "bad":
            twice = Fault(
                rows.file, name, "a time that happens once", "a local time that happens twice"
            )
            faults.add(twice, rows.numbers[ambiguous])
            bad = bad | ambiguous
        if self._rules.nonexistent == "bad":
            never = Fault(
                rows.file, name, "a time that happens", "a local time that the clocks skip"
            )
            faults.add(never, rows.numbers[nonexistent])
            bad = bad | nonexistent
        first = second if self._rules.ambiguous == "second" else first
        aware = np.where(wall == NO_TIME, NO_TIME, wall - np.where(said, offset, 0))
        moment = np.where(bad, NO_TIME, np.where(said, aware, first))
        later = np.where(bad, NO_TIME, np.where(said, aware, second))
        return Moments(moment, later, moment, bad)


def _formats(rows: Rows, time: Time) -> Sequence[str]:
    """Formats to try; a column that was typed in Parquet is ISO whatever the mapping says."""
    if rows.native_times.issuperset(time.columns):
        return (*_ISO_TIMES, *_ISO_DATES) if time.of_days else _ISO_TIMES
    return _FORMATS.get(time.format, (time.format,))


def _joined(rows: Rows, time: Time) -> tuple[pa.Array, Mask]:
    """Text of the columns joined by a blank, and where only some of them are missing."""
    columns = [rows.columns[name] for name in time.columns]
    if len(columns) == 1:
        return columns[0], np.zeros(len(rows), dtype=bool)
    missing = np.stack([is_null(column) for column in columns])
    partly = np.logical_xor(missing.any(axis=0), missing.all(axis=0))
    return pc.binary_join_element_wise(*columns, " "), partly


def _split_offset(text: pa.Array) -> tuple[pa.Array, Int64]:
    """Take Z or +01:00 off the end of times that carry it, in microseconds east of UTC."""
    parts = pc.extract_regex(text, _OFFSET)
    written = pc.struct_field(parts, "offset")
    offset = np.full(len(text), NO_TIME, np.int64)
    for sign in pc.unique(written.drop_null()).to_pylist():
        here = pc.fill_null(pc.equal(written, sign), False)  # noqa: FBT003 - a fill value
        offset[np.asarray(here.to_numpy(zero_copy_only=False))] = _offset_of(sign)
    return pc.coalesce(pc.struct_field(parts, "wall"), text), offset


def _offset_of(sign: str) -> int:
    """Microseconds east of UTC.

    >>> _offset_of("Z"), _offset_of("-05:30") // HOUR
    (0, -6)
    """
    if sign in "Zz":
        return 0
    digits = sign[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-1 if sign[0] == "-" else 1) * minutes * 60 * SECOND


def _of_days(wall: Int64, bad: Mask) -> Moments:
    """Noon of each date in London: midnights between two dates are then the days between them."""
    day = np.where(wall == NO_TIME, NO_TIME, wall // DAY * DAY)
    noon, _, _ = to_utc(np.where(day == NO_TIME, NO_TIME, day + _NOON), TIME_ZONE)
    return Moments(noon, noon, np.where(noon == NO_TIME, NO_TIME, noon + _NOON - SECOND), bad)
