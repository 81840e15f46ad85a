"""Numbers for Prometheus: how much, how fast, how good, how fresh. No label carries sent text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from service.supply import LOCAL_COPY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.answering import Answered
    from service.supply import Shelf
    from service.wire import ModelName, RefusedSpell, Score
    from service.wire_live import RefusedInpatient, WorklistAnswer, WorklistEntry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Set by ``homeward serve --workers N``: workers then share their numbers through files."""

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_CHANCE = tuple(step / 20 for step in range(1, 21))
_AGE = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800)
_SPELLS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def _is_copy(shelf: Shelf) -> bool:
    return shelf.model is not None and shelf.model.origin == LOCAL_COPY


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the moment a series began doubles the text and nobody reads it
        registry = CollectorRegistry()
        self._registry = registry
        self._serving: tuple[str, str, str] | None = None
        self._found: dict[tuple[Any, ...], Any] = {}
        self.requests = Counter(
            "homeward_requests",
            "Requests, by route template, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.latency = Histogram(
            "homeward_request_seconds",
            "Time to answer, by route template.",
            ("route",),
            buckets=_LATENCY,
            registry=registry,
        )
        self.spells = Histogram(
            "homeward_request_spells", "Spells in a request.", buckets=_SPELLS, registry=registry
        )
        self.scores = Counter("homeward_scores", "Scores given.", registry=registry)
        self.refusals = Counter(
            "homeward_refusals", "Spells refused, by reason.", ("reason",), registry=registry
        )
        self.bands = Counter(
            "homeward_score_bands", "Scores given, by band of risk.", ("band",), registry=registry
        )
        self.chance = Histogram(
            "homeward_score_probability",
            "Chances told, by horizon in days.",
            ("horizon",),
            buckets=_CHANCE,
            registry=registry,
        )
        self.data_age = Histogram(
            "homeward_data_age_seconds",
            "From the newest event of a spell to the prediction time.",
            buckets=_AGE,
            registry=registry,
        )
        self.audit_failures = Counter(
            "homeward_audit_failures", "Answers whose audit could not be kept.", registry=registry
        )
        self.events_in = Counter(
            "homeward_events", "Events by what became of them.", ("outcome",), registry=registry
        )
        self.messages_in = Counter(
            "homeward_adt_messages", "ADT messages by outcome.", ("outcome",), registry=registry
        )
        self.unused_codes = Counter(
            "homeward_adt_unused_codes",
            "Codes of ADT messages that nobody said the meaning of, by field.",
            ("field",),
            registry=registry,
        )
        self.inpatients = Gauge(
            "homeward_worklist_inpatients",
            "Inpatients of the last worklist made: scored or refused.",
            ("answer",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.live_age = Gauge(
            "homeward_live_data_age_seconds",
            "From the newest recording to the worklist shown last.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.board_seconds = Histogram(
            "homeward_worklist_seconds",
            "Time to read, score and rank everybody in hospital.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.model = Gauge(
            "homeward_model_info",
            "The model being served: 1 for the current version.",
            ("name", "version", "alias"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.stale_model = Gauge(
            "homeward_model_from_local_copy",
            "1 while the registry does not answer and the last good model goes on.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.refused_model = Gauge(
            "homeward_model_refused",
            "1 while the model that the registry names was refused and the last good one goes on.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.shadow_scores = Counter(
            "homeward_shadow_scores", "Scores of the challenger, told to nobody.", registry=registry
        )
        self.shadow_drops = Counter(
            "homeward_shadow_drops",
            "Requests that the challenger did not score or whose audit was not kept.",
            registry=registry,
        )
        self.shadow_failures = Counter(
            "homeward_shadow_failures",
            "Requests at which the challenger failed.",
            registry=registry,
        )
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(namespace="homeward", registry=registry)

    def asked(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request that was answered."""
        self._of(self.requests, route, method, status).inc()
        self._of(self.latency, route).observe(seconds)

    def _of(self, series: Any, *labels: str | int) -> Any:
        """One of a series by its labels, looked up by the library only once."""
        key = (series, *labels)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = series.labels(*labels)
        return found

    def shelf_looked_at(self, shelf: Shelf) -> None:
        """Note what is being served, and whether the registry has its way."""
        self.stale_model.set(bool(shelf.trouble) or _is_copy(shelf))
        self.refused_model.set(bool(shelf.refused))
        if shelf.model is not None:
            self.serving(shelf.model.name)

    def serving(self, name: ModelName) -> None:
        """Note which model is being served."""
        now = (name.name, name.version or "", name.alias or "")
        if self._serving is not None:
            self.model.labels(*self._serving).set(0)
        self.model.labels(*now).set(1)
        self._serving = now

    def answered(self, done: Answered) -> None:
        """Note an answer that was given."""
        answer = done.answer
        self.spells.observe(len(answer.scores) + len(answer.refused))
        self.told(answer.scores, answer.refused)
        for age in done.ages:
            self.data_age.observe(age)

    def told(
        self, scores: Iterable[Score], refused: Iterable[RefusedSpell | RefusedInpatient]
    ) -> None:
        """Note scores and refusals that were given."""
        for one in refused:
            self._of(self.refusals, one.reason).inc()
        for score in scores:
            self.scores.inc()
            self._of(self.bands, score.band).inc()
            for horizon, chance in score.probability.items():
                if chance is not None:
                    self._of(self.chance, horizon).observe(chance)

    def board_made(
        self, entries: Sequence[WorklistEntry], refused: Sequence[RefusedInpatient]
    ) -> None:
        """Note a worklist that was scored."""
        self.told((entry.score for entry in entries), refused)
        self.inpatients.labels("scored").set(len(entries))
        self.inpatients.labels("refused").set(len(refused))

    def worklist_shown(self, answer: WorklistAnswer) -> None:
        """Note how old the data of a worklist were."""
        if answer.data.age_seconds is not None:
            self.live_age.set(answer.data.age_seconds)

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format; of all workers if there are several."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
