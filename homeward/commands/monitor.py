"""``homeward monitor``."""

from __future__ import annotations

import json
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.monitor.look import Expected


@click.command(epilog="Example: homeward monitor --days 365  (before go-live: --shadow)")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for monitor.html, .json and .prom, or shadow.html and .json; default: monitor in "
    "HOMEWARD_VAR, where the page of the model looks.",
)
@click.option("--days", type=click.IntRange(7, 3660), default=365, show_default=True)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="As known then; now if not given.")
@click.option(
    "--shown-from",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day from which staff saw scores; earlier ones were silent.",
)
@click.option(
    "--not-shown-at",
    multiple=True,
    metavar="PLACE",
    help="Site or ward whose scores are kept from view: the hold-out slice (may be repeated).",
)
@click.option(
    "--shadow",
    is_flag=True,
    help="Judge the scores that nobody saw, and say whether to go live.",
)
@click.option(
    "--model", default=None, help="Bundle to compare with; the model served if not given."
)
@click.option("--capacity", type=click.IntRange(1), default=10, show_default=True)
@click.option("--synthetic", is_flag=True, help="Say on the page that nobody on it exists.")
@click.option("--no-run", is_flag=True, help="Do not log an MLflow run.")
@json_option
def command(  # noqa: PLR0917 - click hands options over by name
    out: Path | None,
    days: int,
    at: datetime | None,
    shown_from: datetime | None,
    not_shown_at: tuple[str, ...],
    shadow: bool,
    model: str | None,
    capacity: int,
    synthetic: bool,
    no_run: bool,
    as_json: bool,
) -> None:
    """Say whether the scores still come true, from the record and the live store alone.

    Looks at calibration (overall and by site, with limits that allow for looking every week),
    ranking, the range of the day of leaving, alerts, drift, feeds that fell silent, and groups.
    Ends with exit code 3 if a limit is broken, so that a scheduler can act.

    With --shadow it reports on a silent time instead (scores in the shadow, or those before
    --shown-from, or all): agreement with staff's expected dates, lead time, groups, burden, and a
    verdict. Exit code 0 is go; 3 is not yet, or cannot say.
    """
    from feature_store.errors import Refused
    from training.monitor.findings import State
    from training.monitor.look import Settings, look

    places, report = Places.from_environment(), reporter()
    out = out or places.settings.var / "monitor"
    until = int(at.timestamp() * 1e6) if at else time.time_ns() // 1000
    report("reading the record and the live store")
    columns, events = _read(places, since=until - days * 86_400_000_000, until=until)
    settings = Settings(
        until=until,
        capacity=capacity,
        days=days,
        shown_from=int(shown_from.timestamp() * 1e6) if shown_from else None,
        not_shown_at=not_shown_at,
        silent=shadow,
    )
    report("looking")
    told = {**look(columns, events, _expected(places, model), settings), "synthetic": synthetic}
    _write(out, told, synthetic=synthetic)
    if not no_run:
        told["run_id"] = _log(places, told)
    show(told, "\n".join(_lines(told, out)), as_json=as_json)
    if told["golive"] and told["golive"]["verdict"] != "go":
        raise Refused([f"shadow: {told['golive']['verdict']}", *told["golive"]["reasons"]])
    if not shadow and told["state"] == State.BREACH.value:
        raise Refused(["monitor: a limit is broken; the page says which and since when"])


def _lines(told: dict[str, Any], out: Path) -> list[str]:
    golive = told["golive"]
    rows = golive["checks"] if golive else told["findings"]
    lines = [f"Verdict: {golive['verdict']}", ""] if golive else []
    key = "verdict" if golive else "state"
    lines += [f"{one[key]:10} {one['about']:15} {one['text']}" for one in rows]
    return [*lines, "", f"Page: {out / ('shadow.html' if golive else 'monitor.html')}"]


def _read(places: Places, *, since: int, until: int) -> tuple[Any, Any]:
    """Columns of the record, and events of the live store as known now."""
    from feature_store.live import open_store
    from feature_store.live.export import read_all
    from service.record import Record

    record = Record(places.settings.database)
    try:
        columns = record.between(since, until, mode=None, details=True)
    finally:
        record.close()
    store = open_store(places.settings.database)
    try:
        return columns, read_all(store, at=until)
    finally:
        store.close()


def _expected(places: Places, model: str | None) -> Expected:
    """What the model was like when judged; nothing is expected where no bundle is to be had."""
    from feature_store.errors import BadInput
    from models.bundle import load_bundle
    from models.registry import fetch_registered
    from training.monitor.look import Expected

    try:
        told = fetch_registered(model or places.settings.model_uri, places.bundles)
    except BadInput:
        if model is not None:
            raise
        return Expected()
    return Expected.of(load_bundle(Path(told.path)).evaluation)


def _write(out: Path, told: dict[str, Any], *, synthetic: bool) -> None:
    from training.monitor.gauges import gauges
    from training.monitor.report import monitor_page

    out.mkdir(parents=True, exist_ok=True)
    stem = "shadow" if told["golive"] else "monitor"
    files = {
        f"{stem}.html": monitor_page(told, synthetic=synthetic),
        f"{stem}.json": json.dumps(told, indent=2, allow_nan=False),
    }
    files |= {} if told["golive"] else {"monitor.prom": gauges(told)}
    for name, content in files.items():
        beside = out / f".{name}"
        beside.write_text(content, encoding="utf-8")
        beside.replace(out / name)


def _log(places: Places, told: dict[str, Any]) -> str:
    from feature_store.manifest import Clock, Manifest
    from training.monitor.gauges import figures
    from training.tracking import Tracker

    manifest = Manifest(
        source="live record",
        synthetic=bool(told["synthetic"]),
        clock=Clock.EXACT,
        start=told["at"],
        observed_until=told["at"],
        counts={"scores": told["counts"]["scores"]},
        mapping_hash="",
    )
    kind = "shadow" if told["golive"] else "monitor"
    with Tracker.open(places.artifacts).run(kind, kind=kind, manifest=manifest) as run:
        run.log_figures(figures(told))
        found = told["golive"]["verdict"] if told["golive"] else told["state"]
        run.set_tags({f"homeward.{kind}": found})
        with tempfile.TemporaryDirectory(prefix="homeward.") as aside:  # nothing else of a folder
            _write(Path(aside), told, synthetic=bool(told["synthetic"]))
            run.log_files(Path(aside))
    return run.run_id
