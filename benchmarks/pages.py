"""First load of the worklist page in Chromium: ``homeward serve`` with a thousand inpatients.

SYNTHETIC. One worker serves a simulated trust's inpatients from its live store. Each load is of a
new, empty browser context, as on a ward PC that was never there; the first of all is shown apart:
the service has then just been told of its patients. Times are the browser's own (Navigation Timing
and Paint Timing), from the beginning of the navigation; CPU is of service and browser together.

Usage: python -m benchmarks.pages [--quick] [--loads 20]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks.processes import cpu_of_all
from benchmarks.report import Report, options
from benchmarks.stand_in import Registry, make_champions, served
from feature_store.simulation import TrustSettings, simulate
from homeward.huddle import Huddle, inpatients_now

PATHS: Final = ("/worklist", "/worklist/beds", "/worklist/model")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_BATCH: Final = 5_000
_PATIENCE: Final = 120.0

TIMES: Final = """() => {
    const load = performance.getEntriesByType("navigation")[0];
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const all = [load, ...performance.getEntriesByType("resource")];
    return {
        answer: load.responseStart,
        paint: paint ? paint.startTime : NaN,
        loaded: load.loadEventEnd,
        kilobytes: all.reduce((sum, one) => sum + one.transferSize, 0) / 1000,
        rows: document.querySelectorAll(".hw-row").length,
    };
}"""

HEAD: Final = (
    *("page", "answer begins ms", "first paint ms", "loaded ms", "slowest loaded ms"),
    *("CPU ms", "kB", "rows"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--loads", type=int, default=20)
    chosen = parser.parse_args(arguments)
    spells, loads = (1_500, 3) if chosen.quick else (16_000, chosen.loads)
    report = Report("pages", quick=chosen.quick)
    print(f"\n## Pages (synthetic)\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        simulate(TrustSettings(spells=spells, days=80, seed=5), folder / "trust")
        registry = Registry(make_champions(folder / "trust", folder))
        huddle = inpatients_now(folder / "trust")
        database = f"sqlite:///{folder}/homeward.db"
        with (
            registry.http,
            _browser() as browser,
            served(
                folder / "var", database, registry, 1, log=folder / "log", list_seconds=60
            ) as address,
        ):
            told = _tell(address, huddle)
            first = _load(browser, f"{address}{PATHS[0]}")
            rows = [_row(f"`{PATHS[0]}`, the first of all", [first])]
            for path in PATHS:
                measured = [_load(browser, f"{address}{path}") for _ in range(loads)]
                rows.append(_row(f"`{path}`", measured))
            registry.http.shutdown()
    inpatients = len(huddle.request["spells"])
    report.add(f"SYNTHETIC, {inpatients:,} inpatients, {told:,} events", HEAD, rows)
    report.close(chosen.out)
    return 0


@contextmanager
def _browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit("pages: Chromium expected on PATH")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def _tell(address: str, huddle: Huddle) -> int:
    """Tell the live store all that is known of the inpatients."""
    events = [
        {"subject_id": spell["subject_id"], "spell_id": None, **event}
        for spell in huddle.request["spells"]
        for event in spell["events"]
    ]
    for first in range(0, len(events), _BATCH):
        batch = {"events": events[first : first + _BATCH]}
        httpx.post(f"{address}/v1/events", json=batch, timeout=_PATIENCE).raise_for_status()
    return len(events)


def _load(browser: Browser, url: str) -> dict[str, float]:
    """Load a page in an empty context and read the browser's own times."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    cpu = cpu_of_all()
    page.goto(url, wait_until="load", timeout=_PATIENCE * 1000)
    page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    times: dict[str, Any] = page.evaluate(TIMES)
    times["cpu"] = (cpu_of_all() - cpu) * 1000
    context.close()
    time.sleep(0.1)
    return times


def _row(name: str, loads: Sequence[Mapping[str, float]]) -> list[str]:
    """Medians, and the slowest."""
    middle = {key: statistics.median(one[key] for one in loads) for key in loads[0]}
    slowest = max(one["loaded"] for one in loads)
    figures = (middle["answer"], middle["paint"], middle["loaded"], slowest, middle["cpu"])
    return [name, *(f"{one:,.0f}" for one in (*figures, middle["kilobytes"], middle["rows"]))]


if __name__ == "__main__":
    sys.exit(main())
