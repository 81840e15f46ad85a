"""A control series from NHS England's published discharge figures, read from a file.

The acute discharge situation report (criteria to reside, discharge delays) is published as CSV with
the columns Period, Level, Region, ICB, Org Code, Org Name, Metric, Metric Type, Metric Group and
Value, under the Open Government Licence. The file is fetched by whoever evaluates: nothing is
loaded from anywhere while Homeward runs. Recording changed in May 2022 and in spring 2024; a period
over either has a step that nobody made.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from feature_store.errors import BadInput, Refused
from training.impact.panel import Float64
from training.impact.protocol import External, Protocol, day_number

COLUMNS: Final = ("Period", "Level", "Org Code", "Metric", "Value")
_FORMATS: Final = ("%Y-%m-%d", "%d/%m/%Y", "%d-%b-%Y", "%d-%b-%y")
_ABSENT: Final = frozenset({"", "-", "*", "n/a", "null"})


def control_series(path: Path, told: External, protocol: Protocol) -> Float64:
    """Mean of a metric over organisations and days, by point; shape (n_points,).

    Parameters
    ----------
    path : Path
    told : External
        Which rows.
    protocol : Protocol
        Its period and points.

    Raises
    ------
    BadInput
        Not such a file, or a cell that is neither a date nor a number where one is expected.
    Refused
        No such rows, or a point that the file does not cover (a monthly file cannot give weeks).
    """
    total, count = np.zeros(protocol.points), np.zeros(protocol.points)
    found = set()
    for number, line in _rows(path):
        if line["Level"] != told.level or line["Metric"] != told.metric:
            continue
        if line["Org Code"] not in told.organisations or line["Value"].lower() in _ABSENT:
            continue
        point = (_day(line["Period"], path, number) - protocol.first_day) // protocol.days
        if 0 <= point < protocol.points:
            found.add(line["Org Code"])
            total[point] += _number(line["Value"], path, number)
            count[point] += 1
    absent = sorted(set(told.organisations) - found)
    if absent:
        reason = f"{path.name}: rows of {', '.join(absent)} with this level and metric expected"
        raise Refused([f"{reason}, found none within the period"])
    if (count == 0).any():
        reason = (
            f"{path.name}: a figure in each of {protocol.points} points expected, "
            f"{int((count == 0).sum())} have none; use more weeks a point or a finer file"
        )
        raise Refused([reason])
    return total / count


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                msg = f"{path.name}: columns {', '.join(absent)} expected and missing"
                raise BadInput(msg)
            return [
                (number, {name: (line[name] or "").strip() for name in COLUMNS})
                for number, line in enumerate(reader, start=2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path.name}: a readable CSV file expected ({type(error).__name__})"
        raise BadInput(msg) from error


def _day(text: str, path: Path, number: int) -> int:
    for form in _FORMATS:
        try:
            return day_number(_parsed(text, form))
        except ValueError:
            continue
    msg = f"{path.name}: line {number}: a day as Period expected (2026-01-31 or 31/01/2026)"
    raise BadInput(msg)


def _parsed(text: str, form: str) -> date:
    return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone


def _number(text: str, path: Path, number: int) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError as error:
        msg = f"{path.name}: line {number}: a number as Value expected"
        raise BadInput(msg) from error
