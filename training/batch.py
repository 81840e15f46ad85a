"""One row per inpatient at a moment, to a file (``homeward score``)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from feature_store.clock import to_microseconds
from feature_store.dataset import Dataset
from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.spells import find_spells
from feature_store.vocabulary import LEAVING_WITHIN, LONG_STAY_DAYS
from models.bundle import Bundle
from models.forecast import Forecast, Refusal
from models.scoring import leaving_soon, score
from models.stay import StayModel

SUFFIXES: Final = (".csv", ".parquet")
_REASONS: Final = 5

SCHEMA: Final = pa.schema(
    [
        ("spell_id", pa.int64()),
        ("subject_id", pa.int64()),
        ("prediction_time", pa.timestamp("us", tz="UTC")),
        ("days_so_far", pa.int64()),
        *((f"p_{days}", pa.float64()) for days in LONG_STAY_DAYS),
        ("band", pa.string()),
        ("p10", pa.int64()),
        ("p50", pa.int64()),
        ("p90", pa.int64()),
        ("p_death", pa.float64()),
        ("reasons", pa.string()),
        ("missing", pa.string()),
        ("completeness", pa.float64()),
        ("refused", pa.string()),
        ("synthetic", pa.bool_()),
        *((f"p_leaving_{name}", pa.float64()) for name in LEAVING_WITHIN),
    ]
)
"""Columns of the file; a refused spell has its reason in ``refused`` and no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was written.

    Parameters
    ----------
    scored : int
    refused : dict of str to int
        By reason.
    """

    scored: int
    refused: dict[str, int]


Report = Callable[[str], None]
"""Takes lines of progress."""

Engine = Callable[[Bundle, Dataset, int, Report], Iterator[pa.Table]]
"""From a moment, tables of ``SCHEMA`` that hold each inpatient once, in any order."""


def local_engine(
    bundle: Bundle, dataset: Dataset, moment: int, report: Report
) -> Iterator[pa.Table]:
    """Score one shard after another in this process."""
    for number, events in enumerate(dataset.read_shards(past=True), start=1):
        yield score_shard(bundle, events, moment, synthetic=dataset.manifest.synthetic)
        report(f"shard {number} of {len(dataset.shards)}")


def score_inpatients(
    bundle: Bundle,
    dataset: Dataset,
    *,
    at: datetime,
    out: Path,
    report: Report,
    engine: Engine = local_engine,
) -> Batch:
    """Score everybody who was in hospital at a moment, as they were known then.

    Parameters
    ----------
    bundle : Bundle
    dataset : Dataset
    at : datetime
        Aware; events recorded later are not used, and a discharge recorded later has not happened.
    out : Path
        ``.csv`` or ``.parquet``; appears whole or not at all.
    report : callable
        Takes lines of progress.
    engine : callable, optional
        Where the shards are scored.

    Raises
    ------
    BadInput
        Another suffix, a moment outside the data, or nobody in hospital.
    """
    if out.suffix.lower() not in SUFFIXES:
        msg = f"--out: a name that ends in {' or '.join(SUFFIXES)} expected"
        raise BadInput(msg)
    moment = to_microseconds(at)
    if moment > dataset.manifest.until:
        msg = "--at: a moment within the data expected, got one after its end"
        raise BadInput(msg)
    table = pa.concat_tables(engine(bundle, dataset, moment, report)).sort_by("spell_id")
    if not table.num_rows:
        msg = "--at: a moment at which somebody was in hospital expected, found nobody"
        raise BadInput(msg)
    _write(table, out)
    refused = Counter(table["refused"].drop_null().to_pylist())
    return Batch(scored=table.num_rows - refused.total(), refused=dict(refused))


def score_shard(bundle: Bundle, events: Events, moment: int, *, synthetic: bool) -> pa.Table:
    """Rows of ``SCHEMA`` of those in hospital at a moment, among the subjects of these events."""
    known = events.known_at(moment)
    snapshots = inpatients_at(known, moment)
    answers = score(bundle, known, snapshots, reasons=_REASONS)
    return _table(bundle.model, snapshots, answers, synthetic=synthetic)


def inpatients_at(events: Events, moment: int) -> Snapshots:
    """Snapshots of the spells open at a moment: begun by then, and not known to have ended.

    Parameters
    ----------
    events : Events
        Known at the moment: :meth:`Events.known_at`.
    moment : int
        UTC microseconds.
    """
    spells = find_spells(events)
    spells = spells.take((spells.start <= moment) & (spells.end > moment))
    return Snapshots(
        spells.subject_id, spells.spell_id, spells.start, np.full(len(spells), moment, np.int64)
    )


def _table(
    model: StayModel, snapshots: Snapshots, answers: list[Forecast | Refusal], *, synthetic: bool
) -> pa.Table:
    forecasts = [answer for answer in answers if isinstance(answer, Forecast)]
    soon = iter(leaving_soon(model, forecasts))
    rows = [
        {**where, **_row(answer, soon), "synthetic": synthetic}
        for where, answer in zip(_places(snapshots), answers, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _places(snapshots: Snapshots) -> Iterator[dict[str, Any]]:
    columns = zip(
        snapshots.spell_id.tolist(),
        snapshots.subject_id.tolist(),
        snapshots.prediction_time.tolist(),
        strict=True,
    )
    for spell, subject, moment in columns:
        time = datetime.fromtimestamp(moment / 1e6, UTC)
        yield {"spell_id": spell, "subject_id": subject, "prediction_time": time}


def _row(answer: Forecast | Refusal, soon: Iterator[dict[str, float | None]]) -> dict[str, Any]:
    """Columns of one answer; ``soon`` holds the chances of leaving of the forecasts, in order."""
    if isinstance(answer, Refusal):
        return {"refused": answer.detail}
    return {
        **{f"p_leaving_{name}": chance for name, chance in next(soon).items()},
        "days_so_far": answer.days_so_far,
        **{f"p_{days}": answer.probability[days] for days in LONG_STAY_DAYS},
        "band": answer.band.value,
        "p10": answer.discharge_day.p10,
        "p50": answer.discharge_day.p50,
        "p90": answer.discharge_day.p90,
        "p_death": answer.probability_of_death_in_hospital,
        "reasons": "; ".join(
            _say(reason.label, reason.value, reason.effect) for reason in answer.reasons
        ),
        "missing": "; ".join(answer.missing),
        "completeness": answer.completeness,
    }


def _say(label: str, value: str, effect: float) -> str:
    return f"{label}: {value} ({effect:+.2f})" if value else f"{label} ({effect:+.2f})"


def _write(table: pa.Table, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.suffix.lower() == ".csv":
            pcsv.write_csv(table, part)
        else:
            pq.write_table(table, part, compression="zstd")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
