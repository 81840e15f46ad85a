"""Pages over a desk that is made up, served over real HTTP where a browser is needed."""

import copy
import socket
import threading
from datetime import datetime

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from service.access import OpenAccess
from service.envelope import Envelope
from service.metrics import Metrics
from service.pages.agreement import Agreement
from service.pages.desk import Models, Patient, Places
from service.pages.evaluation import Compared
from service.pages.routes import Pages
from service.pages.session import Sessions

AT = "2026-07-14T05:00:00Z"
REASONS = [
    ("Therapy referral, hours since", "112 h", True, "Ask therapy what is outstanding", "longer"),
    ("Clinical Frailty Scale", "6 points", True, "Ask for a geriatric assessment", "longer"),
    ("Age", "84 years", False, None, "longer"),
    ("NEWS2 score", "2", False, None, "shorter"),
]


MONITOR = {
    "at": "2026-07-13T05:00:00+00:00",
    "state": "watch",
    "synthetic": True,
    "findings": [{"about": "calibration", "state": "ok", "text": "As foreseen: 1.02."}],
    "calibration": [
        {"who": "all", "horizon": 7, "outcomes": 300, "came_about": 102, "foreseen": 100.0}
        | {"ratio": 1.02, "longer": {"alarm_at": None}, "shorter": {"alarm_at": "2026-07-01"}}
    ],
    "drift": [{"name": "news2_latest", "state": "watch", "index": 0.2}],
}


def make_score(number, days_so_far, chance):
    """A score as the service gives it."""
    return {
        "score_id": f"0198{number:04x}-0000-7000-8000-00000000{number:04x}",
        "spell_id": f"S{number}",
        "prediction_time": AT,
        "days_so_far": days_so_far,
        "probability": {
            str(days): 1.0 if days <= days_so_far else round(chance ** (1 + place), 4)
            for place, days in enumerate((7, 14, 21))
        },
        "band": "high" if chance >= 0.5 else "low",
        "discharge_day": {"p10": days_so_far + 1, "p50": days_so_far + 5, "p90": None},
        "probability_of_death_in_hospital": 0.05,
        "reasons": [
            {
                "feature": f"f{place}",
                "family": "NEWS2" if "NEWS2" in label else "OTHER",
                "label": label,
                "value": value,
                "effect": 0.4 - place / 10,
                "direction": direction,
                "kind": "clinical",
                "actionable": actionable,
                "action": action,
            }
            for place, (label, value, actionable, action, direction) in enumerate(REASONS)
        ],
        "base_value": -1.0,
        "log_odds": -0.4,
        "missing": ["CFS"],
        "completeness": 0.8,
        "ignored_events": 0,
    }


def make_entry(number, *, ward="CEDAR", days_so_far=3, chance=0.7, ready=None, **more):
    """An inpatient as the worklist gives it."""
    return {
        "rank": number,
        "within_capacity": number <= 10,
        "section": "stay_risk" if ready is None else "awaiting_discharge",
        "spell_id": f"S{number}",
        "site": "RXX01",
        "ward": ward,
        "bed": f"{ward[0]}{number}",
        "specialty": "300",
        "admitted_at": "2026-07-11T05:00:00Z",
        "change": ("new", "rising", "steady", "falling", None)[number % 5],
        "probability_yesterday": None,
        "days_since_ready": ready,
        "expected_discharge_at": None,
        "feedback": None,
        "score": make_score(number, days_so_far, chance),
    } | more


class MadeUp:
    """A desk of as many patients as wanted."""

    def __init__(self, entries, *, stale=False, synthetic=True):
        self.entries, self.stale, self.synthetic = entries, stale, synthetic
        self.said, self.down = [], None
        self.compared, self.monitor = True, copy.deepcopy(MONITOR)

    async def worklist(self, caller, site, ward):
        if self.down:
            raise self.down
        return {
            "at": AT,
            "model": {"name": "long-stay", "version": "3", "alias": "champion"},
            "site": site,
            "ward": ward,
            "capacity": 10,
            "inpatients": len(self.entries) + 1,
            "data": {"newest_recorded_at": AT, "age_seconds": 720, "stale": self.stale},
            "entries": [one for one in self.entries if not ward or one["ward"] == ward],
            "refused": [
                {
                    "spell_id": "S900",
                    "site": "RXX01",
                    "ward": "CEDAR",
                    "reason": "out_of_scope",
                    "detail": "under 18 at admission",
                }
            ],
        }

    async def places(self, caller, told):
        wards = sorted({one["ward"] for one in self.entries})
        return Places(sites=("RXX01",), wards=wards, synthetic=self.synthetic)

    async def patient(self, caller, score_id):
        for one in self.entries:
            if one["score"]["score_id"] == score_id:
                past = [
                    {**make_score(1, day, 0.3 + day / 10), "model_version": "3"} for day in range(4)
                ]
                events = [
                    {
                        "family": "NEWS2",
                        "what": "NEWS2 score",
                        "value": "2",
                        "time": AT,
                        "recorded_at": AT,
                    }
                ]
                said = [
                    {
                        "given_at": AT,
                        "verdict": one.verdict,
                        "reason": one.reason,
                        "action": one.action,
                    }
                    for one in self.said
                ]
                return Patient(
                    entry=one, history=past, events=events, feedback=said, synthetic=True
                )
        return None

    async def feed_back(self, said):
        self.said.append(said)

    async def models(self):
        champion = {"Name": "long-stay", "Version": "3", "Trained on": "2026-01 to 2026-05"}
        challenger = {"Name": "long-stay", "Version": "4"}
        both = Agreement(
            days=7,
            scores=120,
            patients=30,
            champion=0.41,
            challenger=0.44,
            low=-0.1,
            high=0.16,
            close=0.93,
            same_side=0.97,
        )
        return Models(
            served=[("Champion", champion), ("Challenger", challenger)],
            compared=self.compared
            and Compared(champion=["3"], challenger=["4"], agreements=[both], shared=(0.85, 12)),
            monitor=self.monitor,
            at=datetime.fromisoformat(AT),
        )


def trust(count=30):
    """Entries on a few wards."""
    rng = np.random.default_rng(1)
    wards = ("ASH", "BEECH", "CEDAR")
    entries = [
        make_entry(
            place,
            ward=wards[place % 3],
            days_so_far=int(rng.integers(0, 12)),
            chance=float(rng.random()),
        )
        for place in range(1, count + 1)
    ]
    return [*entries, make_entry(count + 1, ready=3, days_so_far=9)]


def make_app(desk, access=None, **more):
    """A service of nothing but pages."""
    app = FastAPI(openapi_url=None)
    made = Pages(
        desk=desk,
        access=access or OpenAccess(),
        sessions=Sessions(b"k" * 32, tls=False),
        **more,
    )
    app.include_router(made.router())
    app.add_middleware(Envelope, metrics=Metrics())
    return app


@pytest.fixture
def desk():
    """Thirty patients and one who is ready to leave."""
    return MadeUp(trust())


@pytest.fixture
def app_of():
    """Return a function that makes a service of nothing but pages, of a desk."""
    return make_app


@pytest.fixture
def desk_of():
    """Return a function that makes a desk of entries."""
    return MadeUp


@pytest.fixture
def made_up():
    """Return a function that makes the pages of a trust of so many patients."""
    return lambda count: make_app(MadeUp(trust(count)))


@pytest.fixture
def entry():
    """Return a function that makes an entry of the worklist."""
    return make_entry


@pytest.fixture
def score():
    """Return a function that makes a score."""
    return make_score


@pytest.fixture
def serve_pages():
    """Return a function that serves an app on a free port and gives its address."""
    servers = []

    def serve(app):
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join(timeout=10)
