"""What the pages ask, answered from the worklist, the record and the live store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np

from feature_store.clock import local_day, to_moment
from feature_store.events import NO_TIME, Events
from feature_store.live import StoreUnavailable
from feature_store.vocabulary import FAMILIES, family_of, value_of
from service import wire
from service.access import Caller, Scope, may_see
from service.feedback import give
from service.hub import Desk
from service.hub.queries import Wanted
from service.identifiers import may_be_score_id
from service.pages.desk import Json, Models, Patient, Places, Said
from service.pages.evaluation import compare, read_monitor
from service.parts import Parts
from service.problems import unavailable
from service.record import AuditRow, FeedbackRow
from service.record.feedback import Action, Override, Verdict
from service.supply import Shelf
from service.wire_live import WorklistAnswer

PAGES: Final = "pages"
MONITOR: Final = "monitor/monitor.json"
"""Where ``homeward monitor`` leaves what it found, in HOMEWARD_VAR."""
RETRY_SECONDS: Final = 2
_HORIZONS: Final = ("7", "14", "21")


class Front:
    """The desk behind the pages.

    Parameters
    ----------
    parts : Parts
    hub : Desk
        Whose worklist is shown: the pages and ``GET /v1/worklist`` answer from the same scores.
    """

    def __init__(self, parts: Parts, hub: Desk) -> None:
        self._parts = parts
        self._hub = hub

    async def worklist(self, caller: Caller, site: str | None, ward: str | None) -> Json:
        """Answer of ``GET /v1/worklist``, as plain data."""
        told: Json = msgspec.to_builtins(await self._shown(caller, Wanted(site=site, ward=ward)))
        return told

    async def _shown(self, caller: Caller, wanted: Wanted) -> WorklistAnswer:
        now = await self._hub.live.run(self._hub.live.moment)
        return await self._hub.worklist(wanted, caller, PAGES, now=now)

    async def places(self, caller: Caller, told: Json) -> Places:
        """Where this caller's patients are; a list of a place alone does not say where else."""
        if told["site"] is not None or told["ward"] is not None:
            told = await self.worklist(caller, None, None)
        here = [*told["entries"], *told["refused"]]
        return Places(
            sites=sorted({one["site"] for one in here if one["site"]}),
            wards=sorted({one["ward"] for one in here if one["ward"]}),
            synthetic=self._synthetic,
        )

    async def patient(self, caller: Caller, score_id: str) -> Patient | None:
        """Who a score is about; None if there is no such score, or not for this caller."""
        row: AuditRow | None = None
        if may_be_score_id(score_id):
            row = await self._read(partial(self._parts.record.score, score_id))
        if row is None or row.mode != "live" or not may_see(caller, row.site):
            return None
        past = await self._read(partial(self._parts.record.scores_of_spell, row.spell))
        scored = [one for one in past if one.score_id is not None]
        ids = [str(one.score_id) for one in scored]
        said = await self._read(partial(self._parts.record.feedback, ids))
        names = await self._hub.live.run(partial(self._hub.live.names, [row.spell]))
        events = await self._events(row)
        answer = await self._shown(caller, Wanted())
        mine = [one for one in answer.entries if one.spell_id == names[row.spell]]
        standing: Json = msgspec.to_builtins(mine[0]) if mine else {}
        return Patient(
            entry=self._entry(row, names[row.spell], standing),
            history=[_past(one) for one in _last_of_each_day(scored)],
            events=events,
            feedback=[_fed(one) for rows in said.values() for one in rows],
            synthetic=self._synthetic,
        )

    async def feed_back(self, said: Said) -> None:
        """Put feedback on the record."""
        content = wire.Feedback(
            verdict=Verdict(said.verdict),
            reason=Override(said.reason) if said.reason else None,
            action=Action(said.action) if said.action else None,
        )
        caller = Caller(said.caller, frozenset({Scope.FEEDBACK}))
        await give(self._parts, content, said.score_id, caller, said.request_id)

    async def models(self) -> Models:
        """Champion and challenger."""
        shelves = [("Champion", self._parts.shelf), ("Challenger", self._parts.challenger)]
        settings = self._parts.settings
        now = self._hub.live.now()  # the record goes by the wall, also in a replay
        look = partial(compare, self._parts.record, now=now, capacity=settings.hub_capacity)
        return Models(
            served=[(title, _facts(shelf)) for title, shelf in shelves if shelf.model is not None],
            compared=await self._read(look),
            monitor=await asyncio.to_thread(read_monitor, settings.var / MONITOR),
            at=to_moment(now),
        )

    # ---- the parts of a patient ------------------------------------------------------------------

    @property
    def _synthetic(self) -> bool:
        return self._parts.settings.clock == "data"  # replays are of synthetic patients alone

    async def _read(self, work: Any) -> Any:
        try:
            return await asyncio.to_thread(work)
        except StoreUnavailable:
            detail = "The record cannot be read."
            raise unavailable(detail, retry_after_seconds=RETRY_SECONDS) from None

    def _entry(self, row: AuditRow, name: str, standing: Json) -> Json:
        """The patient as a row of the list, with the score that was asked for."""
        known = {
            "rank": 1,
            "within_capacity": True,
            "section": "stay_risk",
            "bed": None,
            "change": None,
            "days_since_ready": None,
            "expected_discharge_at": None,
            "feedback": None,
        }
        score = {**_past(row), "score_id": row.score_id, "spell_id": name}
        score["reasons"] = self._with_families(score["reasons"])
        return {**known, "site": row.site, "ward": row.ward, "spell_id": name} | {
            **standing,
            "score": score,
        }

    def _with_families(self, reasons: Iterable[Json]) -> list[Json]:
        model = self._parts.shelf.model
        features = model.features if model is not None else []
        family = {one["name"]: family_of(one["codes"][0]) for one in features if one.get("codes")}
        return [{**one, "family": family.get(one["feature"])} for one in reasons]

    async def _events(self, row: AuditRow) -> list[Json]:
        live = self._hub.live
        if row.subject is None:
            return []
        moment = await live.run(live.moment)
        store = await live.run(lambda: live.store)
        known = await live.run(partial(store.history, row.subject, as_of=moment))
        return _told(known, row.spell)


def _told(events: Events, spell: int) -> list[Json]:
    """Facts of one spell in ward words; nothing that belongs to its end."""
    rows = np.flatnonzero((events.spell_id == spell) & (events.time != NO_TIME))
    told: list[Json] = []
    for row in rows.tolist():
        code = events.codes[events.code[row]]
        family = FAMILIES.get(family_of(code))
        if family is None or family.outcome or family.protected:
            continue
        number = float(events.numeric_value[row])
        value = "" if np.isnan(number) else f"{number:g} {family.unit}".strip()
        meaning = value_of(code)
        told.append(
            {
                "family": family.name,
                "what": family.label,
                "value": value or family.values.get(meaning, family.names.get(meaning, meaning)),
                "time": to_moment(int(events.time[row])).isoformat(),
                "recorded_at": to_moment(int(events.recorded_at[row])).isoformat(),
            }
        )
    return told


def _last_of_each_day(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """One score a day: a list that is looked at all day would drown the stay."""
    ordered = sorted(rows, key=lambda row: row.prediction_time)
    day = local_day(np.array([row.prediction_time for row in ordered], np.int64)).tolist()
    pairs = zip(day, ordered, strict=True)
    return [list(group)[-1][1] for _, group in groupby(pairs, key=lambda pair: pair[0])]


def _past(row: AuditRow) -> dict[str, Any]:
    chances = (row.probability_7, row.probability_14, row.probability_21)
    return {
        "prediction_time": to_moment(row.prediction_time).isoformat(),
        "days_so_far": row.days_so_far or 0,
        "probability": dict(zip(_HORIZONS, chances, strict=True)),
        "band": "",
        "discharge_day": {
            "p10": row.discharge_p10,
            "p50": row.discharge_p50,
            "p90": row.discharge_p90,
        },
        "reasons": [] if row.reasons is None else msgspec.json.decode(row.reasons),
        "missing": (row.missing or "").split(),
        "completeness": row.completeness or 0.0,
        "model_version": row.model_version,
    }


def _fed(row: FeedbackRow) -> Mapping[str, str | None]:
    return {
        "given_at": to_moment(row.given_at).isoformat(),
        "verdict": row.verdict,
        "reason": row.reason,
        "action": row.action,
    }


def _facts(shelf: Shelf) -> Mapping[str, str]:
    model = shelf.model
    if model is None:
        return {}
    trained = model.provenance
    return {
        "Name": model.name.name,
        "Version": model.name.version or "not registered",
        "Alias": model.name.alias or "none",
        "Loaded from": model.origin,
        "Synthetic": "yes" if trained.get("synthetic") else "no",
        "Trained on": str(trained.get("source", "not told")),
        "Feature set": model.feature_set_hash[:12],
    }
