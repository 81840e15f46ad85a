"""``python -m benchmarks.load_test``: days of a trust, a thousand times as fast, and no error.

A synthetic trust is replayed to ``homeward serve`` with several workers, through ADT, while hubs
poll the worklist and others send spells; twice the champion is replaced. Every score that was
answered is then looked up on the record and computed again offline by the model it names, to the
last bit; what was answered to a question that was sent is computed from the question; and the last
worklist is computed from the dataset itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.proof import (
    as_told,
    disproved_by_data,
    disproved_by_question,
    disproved_by_record,
)
from benchmarks.stand_in import CHAMPIONS, PATIENCE, Registry, make_champions, served, until
from feature_store.clock import to_microseconds, to_moment
from feature_store.simulation import TrustSettings, simulate
from homeward.output import reporter
from homeward.replaying import Stage, play, read_story
from models.bundle import load_bundle
from service.openapi import EXAMPLE_REQUEST

WORKLIST: Final = "/v1/worklist"
SCORES: Final = "/v1/scores"
_DAY: Final = 86_400


@dataclass(slots=True)
class Heard:
    """What callers heard.

    Parameters
    ----------
    statuses : Counter of (path, status)
    scores : dict of str to dict
        Answered scores by their identifier.
    sent : list of dict
        Those of them that answer a question that was sent.
    troubles : list of str
        When an answer was not 200, seconds since the first, and what it said.
    seconds : dict of str to list of float
        How long answers took, by path.
    torn : int
        Scores that were answered twice under one identifier, differently.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    torn: int = 0
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, answer: httpx.Response) -> None:
        """Take in one answer."""
        fine = answer.status_code == httpx.codes.OK
        told = answer.json() if fine and path in {WORKLIST, SCORES} else {}
        sent = told.get("scores", [])
        found = [one["score"] for one in told.get("entries", ())] + sent
        with self.lock:
            self.statuses[path, answer.status_code] += 1
            self.seconds.setdefault(path, []).append(answer.elapsed.total_seconds())
            self.sent += sent
            for score in found:
                self.torn += self.scores.setdefault(score["score_id"], score) != score
            if not fine:
                after = time.monotonic() - self.began
                self.troubles.append(f"{after:.1f} s: {path} {answer.status_code} {answer.text}")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how fast.

    Parameters
    ----------
    days : int
        Of the trust.
    speed : float
        Times as fast.
    now : int
        When it ends, UTC microseconds.
    """

    days: int
    speed: float
    now: int = field(default_factory=lambda: time.time_ns() // 1000)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.days * _DAY / self.speed


# ---- the day -------------------------------------------------------------------------------------


def live_through(address: str, data: Path, registry: Registry, pace: Pace) -> Heard:
    """Replay days of a trust while callers ask and the champion is replaced twice."""
    heard, over = Heard(), threading.Event()
    story = read_story(data, start=None, days=pace.days, now=pace.now, by_adt=True)

    def replacing() -> None:
        for version in CHAMPIONS[1:]:
            time.sleep(pace.seconds / len(CHAMPIONS))
            registry.alias = version
            until(partial(speaks, address, version))

    hub = partial(keep_asking, address, heard, over, path=WORKLIST, pause=0.2)
    sender = partial(keep_asking, address, heard, over, path=SCORES, pause=0.01)
    threads = [threading.Thread(target=work) for work in (hub, hub, sender, sender)]
    with ThreadPoolExecutor(1) as replacer:
        replaced = replacer.submit(replacing)
        for thread in threads:
            thread.start()
        try:
            with httpx.Client(base_url=address, timeout=PATIENCE) as client:
                play(story, stage(client, heard), speed=pace.speed)
            replaced.result()
        finally:
            over.set()
            for thread in threads:
                thread.join(PATIENCE)
    return heard


def speaks(address: str, version: str) -> bool:
    """Whether a model answers for the service."""
    found: str = httpx.get(f"{address}/v1/model").json()["version"]
    return found == version


def keep_asking(
    address: str, heard: Heard, over: threading.Event, *, path: str, pause: float
) -> None:
    """Ask the same until it is over."""
    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        while not over.wait(pause):
            asked = client.post(path, json=EXAMPLE_REQUEST) if path == SCORES else client.get(path)
            heard.note(path, asked)


def stage(client: httpx.Client, heard: Heard) -> Stage:
    """A world in which every answer is noted and nothing is sent twice."""

    def post(batch: Any) -> None:
        heard.note("/v1/events", client.post("/v1/events", json={"events": list(batch)}))

    def tell(message: bytes) -> None:
        kind = {"Content-Type": "application/hl7-v2"}
        answer = client.post("/v1/adt", content=message, headers=kind)
        heard.note("/v1/adt", answer)
        if b"\rMSA|AA|" not in answer.content:
            heard.troubles.append(f"/v1/adt {answer.text}")

    return Stage(
        post=post, seconds=time.monotonic, sleep=time.sleep, told=lambda _line: None, tell=tell
    )


def last_worklist(address: str, end: int) -> dict[str, Any]:
    """The worklist once everything is in, by the last champion.

    A last fact, of nobody in hospital, takes the clock of the service to the end.
    """
    moment = to_moment(end).isoformat()
    last = {"subject_id": "nobody", "spell_id": None, "code": "NEWS2", "time": moment}
    httpx.post(f"{address}/v1/events", json={"events": [last]}).raise_for_status()
    found: dict[str, Any] = {}

    def is_last() -> bool:
        found.update(httpx.get(f"{address}{WORKLIST}", timeout=PATIENCE).json())
        is_at_end = to_microseconds(datetime.fromisoformat(found["at"])) == end
        return is_at_end and bool(found["model"]["version"] == CHAMPIONS[-1])

    until(is_last)
    return found


def run(folder: Path, database: str, pace: Pace, *, spells: int, workers: int) -> dict[str, Any]:
    """Live through it and return the figures; ``faults`` is empty if all is well."""
    told = reporter()
    told("making a trust and three champions")
    data = folder / "trust"
    simulate(TrustSettings(spells=spells, days=60, seed=11), data)
    champions = make_champions(data, folder)
    registry = Registry(champions)
    service = served(folder / "var", database, registry, workers, log=folder / "log")
    with registry.http, service as address:
        began = time.monotonic()
        told(f"serving; {pace.days} days in about {pace.seconds:.0f} s")
        heard = live_through(address, data, registry, pace)
        took = time.monotonic() - began
        whole = read_story(data, start=None, days=pace.days, now=pace.now)
        board = last_worklist(address, whole.end)
        registry.http.shutdown()
    told(f"computing {len(heard.scores):,} scores again")
    bundles = {version: load_bundle(folder) for version, folder in champions.items()}
    faults, models = disproved_by_record(database, heard.scores, bundles)
    body = json.dumps(EXAMPLE_REQUEST).encode()
    faults += disproved_by_question(body, heard.sent, bundles.values())
    otherwise, inpatients = disproved_by_data(board, as_told(whole.events), bundles[CHAMPIONS[-1]])
    faults += otherwise + heard.troubles
    faults += ["one identifier, two answers"] * bool(heard.torn)
    return {
        "seconds": round(took, 1),
        "workers": workers,
        "requests": {f"{path} {code}": count for (path, code), count in heard.statuses.items()},
        "milliseconds, median and 99th centile": {
            path: [round(1000 * quantile(taken, share), 1) for share in (0.5, 0.99)]
            for path, taken in heard.seconds.items()
        },
        "scores": len(heard.scores),
        "scores by model": dict(sorted(models.items(), key=str)),
        "of the last worklist computed from the data": inpatients,
        "faults": faults,
    }


def quantile(taken: list[float], share: float) -> float:
    """Of the sorted values, the one at a share of the way."""
    return sorted(taken)[int(share * (len(taken) - 1))]


def main() -> int:
    """Run it; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2, help="of the trust (2)")
    parser.add_argument("--speed", type=float, default=1000.0, help="times as fast (1000)")
    parser.add_argument("--spells", type=int, default=600, help="of the trust in 60 days (600)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", help="address; default: a SQLite file that goes afterwards")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="homeward-load-") as folder:
        database = chosen.database or f"sqlite:///{folder}/homeward.db"
        pace = Pace(chosen.days, chosen.speed)
        told = run(Path(folder), database, pace, spells=chosen.spells, workers=chosen.workers)
        if told["faults"]:
            print((Path(folder) / "log").read_text()[-4000:], file=sys.stderr)
    print(json.dumps(told, indent=2))
    return 1 if told["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
