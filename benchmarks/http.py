"""The service over HTTP beside the floor (``benchmarks/floor.py``), in one run.

``--peers``: also beside ``mlflow models serve`` and BentoML, which serve the same trees with
reasons (``benchmarks/serving``) and get features already computed: once the usual way, by
LightGBM's ``predict`` and ``pred_contrib`` without calibration, and once with Homeward's own kernel
inside. BentoML comes into an environment of its own, made by uv (``benchmarks/bentoml.txt``).

``python -m benchmarks.http``: the server on one core, the load on another, rounds interleaved. The
model is fitted first, on a synthetic trust; everything the service does is on: keyed pseudonyms,
audit, metrics, log (to a file), all reasons computed and the top few told.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import numpy as np

from benchmarks.load import Load, resident_mib
from benchmarks.report import markdown
from benchmarks.servers import CONNECTIONS, PEERS, Server, floor, homeward, peers
from feature_store.clock import to_moment
from feature_store.compute import compute_features
from feature_store.events import NO_TIME, Events
from feature_store.nhs import NHS
from feature_store.outcome import outcomes_of
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle, load_bundle, save_bundle
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration

ROUNDS: Final = 3
SECONDS: Final = 4.0
MANY: Final = 1000


def main() -> None:
    """Fit, serve, press, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="seconds; the figures mean nothing")
    parser.add_argument("--peers", action="store_true", help="beside other servers of models too")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    rounds, seconds = (1, 0.5) if asked.quick else (asked.rounds, SECONDS)
    with tempfile.TemporaryDirectory() as told, ExitStack() as stack:
        folder = Path(told)
        events, snapshots = make_bundle(folder / "bundle")
        one, many = request_of(events, snapshots, 1), request_of(events, snapshots, MANY)
        ours = stack.enter_context(homeward(folder))
        answer = _answer_of(ours, one)
        (folder / "answer.json").write_bytes(answer)
        contest = {
            "floor": (stack.enter_context(floor(folder)), one),
            "homeward": (ours, one),
        }
        if asked.peers:
            row = row_of(folder / "bundle", events, snapshots)
            contest |= {
                name: (server, body)
                for name, server, body in peers(folder, row, stack)
                if server is not None
            }
        report(contest, len(answer), rounds=rounds, seconds=seconds)
        load = ours.press(many, seconds=min(5.0, 5 * seconds), connections=1)
    each = median(load.latencies)
    print(
        f"\n{MANY:,} spells in one request ({len(many) / 2**20:.1f} MiB): {each:.2f} s, "
        f"{MANY / each * 60:,.0f} spells a minute."
    )


def _answer_of(ours: Server, body: bytes) -> bytes:
    address = f"http://127.0.0.1:{ours.port}{ours.path}"
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(address, content=body, headers=headers, timeout=60)
    return answer.raise_for_status().content


def report(
    contest: dict[str, tuple[Server, bytes]], answer_bytes: int, *, rounds: int, seconds: float
) -> None:
    """Press all in turns and print the table."""
    loads: dict[str, list[Load]] = {name: [] for name in contest}
    for server, body in contest.values():
        server.press(body, seconds=min(1.0, seconds))  # warm
    for _ in range(rounds):
        for name, (server, body) in contest.items():
            loads[name].append(server.press(body, seconds=seconds))
    body = contest["homeward"][1]
    events = len(json.loads(body)["spells"][0]["events"])
    print(
        f"One spell a request ({events} events, {len(body):,} bytes in, {answer_bytes:,} out), "
        f"{CONNECTIONS} connections, median of {rounds} rounds of {seconds:g} s.\n"
    )
    floor_cpu, our_cpu = (
        median(load.cpu_ms for load in loads[name]) for name in ("floor", "homeward")
    )
    rows = []
    for name, of in loads.items():
        cpu = median(load.cpu_ms for load in of)
        rows.append(
            (
                PEERS.get(name, name),
                f"{median(load.per_second for load in of):,.0f}",
                f"{cpu:.3f}",
                f"{floor_cpu / cpu:.1%}",
                f"{cpu / our_cpu:.1f}",
                f"{median(load.latency_ms(0.5) for load in of):.1f}",
                f"{median(load.latency_ms(0.99) for load in of):.1f}",
                f"{contest[name][0].ready_seconds:.1f}",
                f"{resident_mib(contest[name][0].process.pid):.0f}",
            )
        )
    head = ("server", "req/s", "CPU ms/req", "of floor by CPU", "times our CPU")
    print(markdown((*head, "p50 ms", "p99 ms", "ready s", "RSS MiB"), rows))


# ---- what is served ------------------------------------------------------------------------------


def make_bundle(folder: Path) -> tuple[Events, Snapshots]:
    """Fit on a synthetic trust; give its events and its mornings."""
    settings = TrustSettings(spells=4000, seed=3)
    events, _ = simulate_events(settings)
    spells = find_spells(events)
    asked = daily_snapshots(spells, until=settings.until)
    matrix = compute_features(events, asked, NHS)
    outcomes = outcomes_of(asked, spells, until=settings.until)
    size = FitSettings(leaves=(31,), trees=150, patience=150, threads=1)
    model = fit(matrix, asked, outcomes, feature_set=NHS, settings=size)
    raw = model.predict(matrix, asked.days_so_far)
    model = replace(model, calibration=learn_calibration(raw, outcomes))
    save_bundle(Bundle(model=model), folder)
    print(
        f"Model: {len(NHS)} features, 150 trees of at most 31 leaves for leaving"
        f"{', and half as many for dying' if model.death_trees else ''}.\n"
    )
    return events, asked


def request_of(events: Events, asked: Snapshots, count: int) -> bytes:
    """A request about ``count`` spells on their second morning, all moved to one morning."""
    events = events.in_order()
    rows = np.flatnonzero(asked.days_so_far == 2)
    _, first = np.unique(asked.spell_id[rows], return_index=True)
    rows = rows[first][:MANY]
    known = {row: _known(events, asked, row) for row in rows.tolist()}
    usual = np.median([len(mine) for mine in known.values()])
    chosen = sorted(known, key=lambda row: abs(len(known[row]) - usual))[
        :count
    ]  # a usual one first
    now = int(asked.prediction_time[chosen[0]])
    spells = [
        {
            "spell_id": f"S{place}",
            "subject_id": f"P{place}",
            "events": [
                _event(events, event, now - int(asked.prediction_time[row])) for event in known[row]
            ],
        }
        for place, row in enumerate(chosen)
    ]
    moment = to_moment(now).isoformat()
    return json.dumps({"prediction_time": moment, "spells": spells}).encode()


def _known(events: Events, asked: Snapshots, row: int) -> list[int]:
    subject, now = asked.subject_id[row], asked.prediction_time[row]
    first, end = np.searchsorted(events.subject_id, [subject, subject + 1]).tolist()
    return [event for event in range(first, end) if events.visible_at[event] <= now]


def _event(events: Events, row: int, later: int) -> dict[str, Any]:
    time, recorded = int(events.time[row]), int(events.recorded_at[row])
    value = float(events.numeric_value[row])
    told: dict[str, Any] = {
        "code": events.codes[events.code[row]],
        "time": None if time == NO_TIME else to_moment(time + later).isoformat(),
    }
    if recorded not in {time, NO_TIME}:
        told["recorded_at"] = to_moment(recorded + later).isoformat()
    if not np.isnan(value):
        told["numeric_value"] = round(value, 4)
    return told


def row_of(bundle: Path, events: Events, asked: Snapshots) -> list[float | None]:
    """Features of the usual spell's second morning, days so far after them; missing is null."""
    feature_set = load_bundle(bundle).model.feature_set
    rows = np.flatnonzero(asked.days_so_far == 2)[:1]
    (matrix,) = compute_features(events, asked.take(rows), feature_set).tolist()
    return [None if value != value else value for value in (*matrix, 2.0)]  # noqa: PLR0124 - NaN


if __name__ == "__main__":
    main()
