"""``homeward monitor``."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.monitor.look import Expected


@click.command(epilog="Example: homeward monitor --out var/monitor --days 365")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/monitor"),
    show_default=True,
    help="Folder for monitor.html, monitor.json and monitor.prom.",
)
@click.option("--days", type=click.IntRange(7, 3660), default=365, show_default=True)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="As known then; now if not given.")
@click.option(
    "--shown-from",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day from which staff saw scores; earlier ones were silent.",
)
@click.option(
    "--model", default=None, help="Bundle to compare with; the model served if not given."
)
@click.option("--capacity", type=click.IntRange(1), default=10, show_default=True)
@click.option("--synthetic", is_flag=True, help="Say on the page that nobody on it exists.")
@click.option("--no-run", is_flag=True, help="Do not log an MLflow run.")
@json_option
def command(  # noqa: PLR0917 - click hands options over by name
    out: Path,
    days: int,
    at: datetime | None,
    shown_from: datetime | None,
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
    """
    from feature_store.errors import Refused
    from training.monitor.findings import State
    from training.monitor.look import Settings, look

    places, report = Places.from_environment(), reporter()
    until = int(at.timestamp() * 1e6) if at else time.time_ns() // 1000
    report("reading the record and the live store")
    columns, events = _read(places, since=until - days * 86_400_000_000, until=until)
    settings = Settings(
        until=until,
        capacity=capacity,
        shown_from=int(shown_from.timestamp() * 1e6) if shown_from else None,
    )
    report("looking")
    told = {**look(columns, events, _expected(places, model), settings), "synthetic": synthetic}
    _write(out, told, synthetic=synthetic)
    if not no_run:
        told["run_id"] = _log(places, out, told)
    lines = [f"{one['state']:8} {one['about']:15} {one['text']}" for one in told["findings"]]
    show(told, "\n".join([*lines, "", f"Page: {out / 'monitor.html'}"]), as_json=as_json)
    if told["state"] == State.BREACH.value:
        raise Refused(["monitor: a limit is broken; the page says which and since when"])


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
    from training.monitor.report import gauges, monitor_page

    out.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("monitor.html", monitor_page(told, synthetic=synthetic)),
        ("monitor.json", json.dumps(told, indent=2, allow_nan=False)),
        ("monitor.prom", gauges(told)),
    ):
        beside = out / f".{name}"
        beside.write_text(content, encoding="utf-8")
        beside.replace(out / name)


def _log(places: Places, out: Path, told: dict[str, Any]) -> str:
    from feature_store.manifest import Clock, Manifest
    from training.monitor.report import figures
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
    with Tracker.open(places.artifacts).run("monitor", kind="monitor", manifest=manifest) as run:
        run.log_figures(figures(told))
        run.set_tags({"homeward.monitor": told["state"]})
        run.log_files(out)
    return run.run_id
