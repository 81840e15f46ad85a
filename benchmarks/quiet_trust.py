"""Whole looks of the monitor at SIMULATED trusts whose scores are true: what it finds in quiet."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.report import Report
from feature_store.clock import DAY
from feature_store.simulation import TrustSettings, simulate_events
from training.monitor.look import Expected, Settings, look


def whole(report: Report, seeds: int, *, looks: int) -> None:
    """Simulated trusts with true scores each morning: every finding of every look."""
    states: dict[str, dict[str, int]] = {}
    for seed in range(seeds):
        settings = TrustSettings(spells=2500, seed=100 + seed, sites=2, days=365)
        events, truth = simulate_events(settings)
        columns = recorded(truth)
        for number in range(1, looks + 1):
            until = settings.until - (looks - number) * (300 // looks) * DAY
            seen = columns["prediction_time"] <= until
            told = look(
                {name: column[seen] for name, column in columns.items()},
                events.take(np.flatnonzero(events.recorded_at <= until)),
                Expected(auroc={days: {"low": 0.6} for days in ("7", "14", "21")}),
                Settings(until=until, replicates=50),
            )
            for about in {one["about"] for one in told["findings"]}:
                worst = [one["state"] for one in told["findings"] if one["about"] == about]
                kept = states.setdefault(about, {"watch": 0, "breach": 0})
                for state in kept:
                    kept[state] += state in worst
    total = seeds * looks
    rows = [
        (about, f"{kept['watch']} of {total}", f"{kept['breach']} of {total}")
        for about, kept in sorted(states.items())
    ]
    head = ("looks with a finding about", "watch", "breach")
    report.add(f"Whole looks at {seeds} quiet simulated trusts, {looks} a year", head, rows)


def recorded(truth: Any) -> dict[str, Any]:
    """A record of true scores, as columns."""
    size = truth.spell_id.size
    nothing = np.full(size, None, object)
    return {
        "spell": truth.spell_id,
        "prediction_time": truth.prediction_time,
        "log_odds": np.zeros(size),
        **{f"probability_{days}": getattr(truth, f"p_{days}") for days in (7, 14, 21)},
        "discharge_p10": np.zeros(size),
        "discharge_p50": np.full(size, 3.0),
        "discharge_p90": np.full(size, 30.0),
        "completeness": np.ones(size),
        "mode": np.full(size, "live", object),
        "model_version": np.full(size, "1", object),
        **dict.fromkeys(("refused", "site", "ward", "features"), nothing),
    }
