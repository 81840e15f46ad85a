"""A past score computed again, from the features and the model on the record, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from feature_store.errors import Refused
from models.scoring import forecast
from service.record.account import About, Answer, AuditRow, account

if TYPE_CHECKING:
    from models.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it.

    Parameters
    ----------
    score_id : str
    fields : int
        How many were compared.
    differing : tuple of str
        Names of those that are not the same to the last bit; empty if all are.
    """

    score_id: str
    fields: int
    differing: tuple[str, ...]


def replay(row: AuditRow, bundle: Bundle) -> Replayed:
    """Compute a recorded score again and compare it.

    Parameters
    ----------
    row : AuditRow
    bundle : Bundle
        The model that the row names; its checksum is compared.

    Raises
    ------
    Refused
        A refusal has nothing to compute, the features are no longer kept, or the model is another.
    """
    features = _features(row, bundle)
    days = np.array([row.days_so_far], np.int64)
    (whole,) = forecast(bundle.model, features, days, reasons=None)
    told = len(msgspec.json.decode(row.reasons or b"[]"))
    (short,) = forecast(bundle.model, features, days, reasons=max(told, 1))
    answer, about = _as_recorded(row)
    again = [account(answer, about, one, score_id=row.score_id) for one in (whole, short)]
    # Which reasons were asked for is not on the record: all of them or the top few.
    chosen = again[0] if again[0].reasons == row.reasons else again[1]
    kept, made = msgspec.structs.asdict(row), msgspec.structs.asdict(chosen)
    differing = tuple(name for name in kept if not _same(kept[name], made[name]))
    return Replayed(row.score_id or "", len(kept), differing)


def _features(row: AuditRow, bundle: Bundle) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    if row.refused is not None:
        raise Refused(["a refusal: nothing was computed"])
    if row.features is None:
        raise Refused(["its features are no longer kept: their time of retention is over"])
    if row.model_hash != bundle.checksum or row.feature_set_hash != bundle.model.feature_set.hash:
        raise Refused(["another model: its checksum is not the one on the record"])
    values = np.frombuffer(row.features, "<f8").astype(np.float64)
    return values.reshape(1, -1)


def _as_recorded(row: AuditRow) -> tuple[Answer, About]:
    """What was not computed, as it stands on the record."""
    cells = msgspec.structs.asdict(row)
    answer = Answer(**{name: cells[name] for name in Answer.__struct_fields__})
    return answer, About(**{name: cells[name] for name in About.__struct_fields__})


def _same(kept: object, made: object) -> bool:
    """Equal to the last bit; a number is no text, and minus zero was recorded as zero."""
    return type(kept) is type(made) and kept == made
