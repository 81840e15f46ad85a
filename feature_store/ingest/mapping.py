"""The words of a mapping file: how the tables of an extract become events.

The structure is the file's own, section by section; `docs/mapping.md` explains it to people who
write one. Nothing here knows the disk: :mod:`feature_store.ingest.mapping_file` reads,
:mod:`feature_store.ingest.mapping_rules` judges.
"""

import re
from typing import Final, Literal

import msgspec

from feature_store.vocabulary import TIME_ZONE, family_of

ISO_TIME: Final = "iso"
ISO_DATE: Final = "iso_date"

CELL: Final = "value"
"""`{value}` in a code: the cell of `columns`, as against `{NAME}`, the cell of column NAME."""
COLUMN: Final = "column"
"""`{column}` in a code: the name of the column, where a fact repeats over several."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TIME_OF_DAY = re.compile(r"%[HIcXs]|^iso$")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every section: what is not a field of it is a mistake."""


class Time(Section, frozen=True, kw_only=True):
    """A column that holds moments or dates.

    Parameters
    ----------
    column : str or list of str
        Several are joined with a blank, such as a date and a time of day.
    format : str
        `iso`, `iso_date`, or strptime directives; empty: the format of `[time]`.
    """

    column: str | list[str]
    format: str = ""

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the order of joining."""
        return [self.column] if isinstance(self.column, str) else self.column

    @property
    def of_days(self) -> bool:
        """Whether the format, once written out, has no time of day."""
        return not _TIME_OF_DAY.search(self.format)


class TimeRules(Section, frozen=True, kw_only=True):
    """How times of this extract are written, and what local times mean.

    Parameters
    ----------
    zone : str
        IANA name of the time zone of times that carry no offset.
    format : str
    ambiguous : {"first", "second", "bad"}
        Which of the two moments a local time means in the hour that happens twice in autumn.
    nonexistent : {"forward", "bad"}
        A local time in the hour that spring leaves out: `forward` reads it with the offset that
        held before, 01:30 as the moment an hour after 00:30.
    years : list of int, length 2
        First and last plausible year; a time outside is a bad row.
    """

    zone: str = TIME_ZONE
    format: str = ISO_TIME
    ambiguous: Literal["first", "second", "bad"] = "first"
    nonexistent: Literal["forward", "bad"] = "forward"
    years: tuple[int, int] = (1970, 2100)


class Keys(Section, frozen=True, kw_only=True):
    """How the extract's keys become integers.

    Parameters
    ----------
    keep : list of {"subject", "spell"}
        Keys that are whole numbers already and mean nothing outside the extract: kept as they are.
        All others become keyed hashes.
    remove : str
        Characters that do not count, such as the blanks in an NHS number.
    """

    keep: list[Literal["subject", "spell"]] = []
    remove: str = ""


class Table(Section, frozen=True, kw_only=True):
    """One table of the extract, in one file or several of one shape.

    Parameters
    ----------
    file : str
        Pattern of the file names, `*` and `?`; empty: every source (a mapping with one table).
    optional : bool
        Whether the table may be left out of a run.
    subject, spell : str
        Columns of the patient key and of the spell key; a table has one or both.
    unknown_spell : {"bad", "drop"}
        A row whose spell is not in the table of spells.
    delimiter, encoding : str
    quotes : bool
        Whether `"` encloses cells.
    """

    file: str = ""
    optional: bool = False
    subject: str = ""
    spell: str = ""
    unknown_spell: Literal["bad", "drop"] = "bad"
    delimiter: str = ","
    encoding: str = "utf-8"
    quotes: bool = True


class Died(Section, frozen=True, kw_only=True):
    """A column that tells deaths in hospital, and the values that say so."""

    column: str
    values: list[str]


class Spells(Section, frozen=True, kw_only=True):
    """Where spells are found, and how their ends are told.

    Parameters
    ----------
    table : str
        One row a spell; may be left out where there is one table.
    start, end : str or Time
        By timestamp or by date.
    days : str
        Column of the length of stay in midnights, where there is no end.
    order : str
        Column whose ascending numbers are the order of admission, where there is no start.
    died : Died, optional
        Adds DISCHARGE_METHOD//4 at the end of the spell.
    """

    table: str = ""
    start: str | Time | None = None
    end: str | Time | None = None
    days: str = ""
    order: str = ""
    died: Died | None = None


class Group(Section, frozen=True, kw_only=True):
    """A coarser code besides: the first `prefix` characters of the value, as `family`."""

    family: str
    prefix: int


class Fact(Section, frozen=True, kw_only=True):
    """One kind of fact: which cells become which code, when it happened, when it became known.

    Parameters
    ----------
    table : str
    code : str
        `FAMILY`, or `FAMILY//...` with `{NAME}` for the cell of column NAME, `{value}` for the cell
        of `columns` and `{column}` for its name. A row without one of the cells has no such fact.
    columns : list of str
        Repeat the fact over these columns.
    number : str
        Column of `numeric_value`, or `{value}`.
    bands : bool
        Numbers are written as bands, `[70-80)`, and mean the middle.
    scale : float
        Factor to the unit of the vocabulary.
    low, high : float, optional
        Plausible range after scaling; the vocabulary's own holds besides.
    values : str or dict of str to str
        Source value to value, or the name of a `[values.NAME]` list; for `{value}`, for a single
        placeholder, and for the text of a number.
    other : {"bad", "drop", "keep"}, optional
        A value that is not in `values`; by default bad for codes, kept for numbers.
    missing : list of str
        Further null markers of this fact.
    prefix : int
        Keep the first characters of the value.
    group : Group, optional
    when : dict of str to list of str
        Only rows in which each of these columns holds one of its values.
    time : str or Time, optional
        When it happened.
    no_time : {"bad", "drop"}
        A fact whose time is missing.
    known : str
        `admission`, `own_time`, `recorded:COLUMN` or `after_discharge`; empty: the vocabulary's.
    delay_days : float
        How long after discharge an `after_discharge` fact becomes known.
    unit, description : str
    descriptions : dict of str to str
        Value to meaning.
    """

    table: str = ""
    code: str
    columns: list[str] = []
    number: str = ""
    bands: bool = False
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    values: str | dict[str, str] = {}
    other: Literal["bad", "drop", "keep"] | None = None
    missing: list[str] = []
    prefix: int = 0
    group: Group | None = None
    when: dict[str, list[str]] = {}
    time: str | Time | None = None
    no_time: Literal["bad", "drop"] = "bad"
    known: str = ""
    delay_days: float = 0.0
    unit: str = ""
    description: str = ""
    descriptions: dict[str, str] = {}

    @property
    def family(self) -> str:
        """Family of the code."""
        return family_of(self.code)

    @property
    def placeholders(self) -> list[str]:
        """Names in braces, in the order of the code."""
        return _PLACEHOLDER.findall(self.code)

    @property
    def pieces(self) -> list[str]:
        """Literal text and placeholder names in turn, beginning and ending with text."""
        return _PLACEHOLDER.split(self.code)

    @property
    def recorded(self) -> str:
        """Column of `recorded:COLUMN`, else empty."""
        return self.known.removeprefix("recorded:") if self.known.startswith("recorded:") else ""


class Mapping(Section, frozen=True, kw_only=True):
    """A mapping file.

    Parameters
    ----------
    name : str
        Of the extract; it goes into the manifest.
    extends : str
        Another mapping file in the same folder, whose sections this one adds to and changes.
    complete : bool
        Every spell has ended, by the design of the extract: none is censored.
    synthetic : bool
    missing : list of str
        Null markers besides the empty cell.
    """

    name: str
    description: str = ""
    extends: str = ""
    complete: bool = False
    synthetic: bool = False
    missing: list[str] = []
    time: TimeRules = TimeRules()
    keys: Keys = Keys()
    table: dict[str, Table]
    spells: Spells
    values: dict[str, dict[str, str]] = {}
    fact: dict[str, Fact] = {}

    def moment(self, given: str | Time) -> Time:
        """Return the column with its format written out."""
        time = Time(column=given) if isinstance(given, str) else given
        return time if time.format else Time(column=time.column, format=self.time.format)

    def listed(self, fact: Fact) -> dict[str, str]:
        """Value list of a fact."""
        return self.values[fact.values] if isinstance(fact.values, str) else fact.values
